//! The tensors of a pickle by name: of a state dict, or of one within what a training saved.

use super::machine::run;
use super::objects::{Id, Object, Tensor};
use crate::import::problem::{Problem, Result, quoted};
use crate::import::source::MOST_TENSORS;

/// The entries in which trainings keep the state dict of their model.
const INNER: [&str; 4] = ["state_dict", "model_state_dict", "model", "net"];

/// The bytes of the longest name of a tensor; others are passed over.
const LONGEST_NAME: usize = 256;

/// What a module that was trained on several GPUs has before each name.
const PARALLEL: &str = "module.";

/// The tensors of a pickle.
pub(crate) fn tensors(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let (objects, root) = run(bytes)?;
    let root = entries(&objects, root).ok_or_else(|| {
        let problem = Problem::new("its pickle is no dictionary");
        problem.advice("take a file that holds a state dict: `torch.save(model.state_dict(), f)`")
    })?;
    let inner = root.iter().find_map(|(key, value)| {
        let is_inner = INNER.contains(key);
        entries(&objects, *value).filter(|_| is_inner)
    });
    let entries = inner.as_ref().unwrap_or(&root);
    let tensors = entries.iter().filter_map(|(key, value)| match &objects[*value] {
        Object::Tensor(tensor) => Some((*key, tensor)),
        _ => None,
    });
    // Each is copied, and a pickle may have the same one under many names.
    let mut tensors: Vec<_> = tensors
        .take(MOST_TENSORS + 1)
        .map(|(key, tensor)| (key.to_owned(), Tensor::clone(tensor)))
        .collect();
    if tensors.is_empty() {
        let keys: Vec<_> = entries.iter().take(4).map(|(key, _)| quoted(key)).collect();
        let problem = Problem::new("it holds no tensors by name");
        return Err(problem.expected("a state dict", format!("entries {}", keys.join(", "))));
    }
    if tensors.iter().all(|(name, _)| name.starts_with(PARALLEL)) {
        for (name, _) in &mut tensors {
            name.drain(..PARALLEL.len());
        }
    }
    Ok(tensors)
}

/// The entries of a dictionary whose keys are names.
fn entries(objects: &[Object], id: Id) -> Option<Vec<(&str, Id)>> {
    let Object::Dict(entries) = &objects[id] else { return None };
    let named = entries.iter().filter_map(|(key, value)| match &objects[*key] {
        Object::Text(key) if key.len() <= LONGEST_NAME => Some((&key[..], *value)),
        _ => None,
    });
    Some(named.collect())
}
