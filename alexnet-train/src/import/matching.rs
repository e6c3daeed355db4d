//! Which family the tensors of a file are of, and which tensor is which of the network's.

use std::collections::{BTreeMap, BTreeSet};

use alexnet_model::{NetworkSpec, nearest};

use super::family::{Family, Naming, ordered};
use super::problem::{Problem, Result, quoted};
use super::source::{Source, SourceTensor};
use crate::checkpoint::MEAN_IMAGE;

/// Tensors of each kind that a message lists.
const LISTED: usize = 4;

/// The tensors of a file as those of a network.
#[derive(Debug)]
pub(crate) struct Matched {
    /// The network, with as many classes as the file has.
    pub(crate) network: NetworkSpec,
    /// By the name of each parameter of it, the place of its tensor in the file's list.
    pub(crate) tensors: BTreeMap<String, usize>,
}

/// How the tensors of a file differ from those of a network.
#[derive(Debug, Default)]
struct Misfit {
    missing: Vec<(String, Vec<usize>)>,
    unknown: Vec<(String, Vec<usize>)>,
    /// Name, sizes that are expected, sizes that are there.
    misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

/// The family of a file, or one that is `asked` for; several that fit are told apart by the order
/// of the file's layers.
pub(crate) fn find(source: &Source, asked: Option<&str>) -> Result<(Family, Matched)> {
    let families = match asked {
        Some(name) => vec![Family::named(name).ok_or_else(|| unknown_family(name))?],
        None => Family::all().collect(),
    };
    let (mut fits, mut others) = (Vec::new(), Vec::new());
    for family in families {
        let mut nearest: Option<Misfit> = None;
        let mut found = None;
        for naming in family.namings() {
            let network = family.network().map_err(Problem::said_by)?;
            match matched(source, network, &naming, true)? {
                Ok(fit) => found = found.or(Some(fit)),
                Err(misfit) => {
                    let is_nearer = nearest.as_ref().is_none_or(|n| misfit.count() < n.count());
                    nearest = if is_nearer { Some(misfit) } else { nearest };
                }
            }
        }
        match (found, nearest) {
            (Some(fit), _) => fits.push((family, fit)),
            (None, Some(misfit)) => others.push((family, misfit)),
            (None, None) => {}
        }
    }
    if fits.is_empty() {
        let nearest = others.into_iter().min_by_key(|(_, misfit)| misfit.count());
        let (family, misfit) = nearest.ok_or_else(|| Problem::new("no family is known"))?;
        return Err(misfit.problem(&format!("family `{}` ({})", family.name, family.about)));
    }
    let by_tensors: Vec<_> = fits.iter().map(|(family, _)| family.name.clone()).collect();
    if !source.layers.is_empty() {
        let preset = fits.first().map(|(_, fit)| ordered(&fit.network)).unwrap_or_default();
        fits.retain(|(_, fit)| ordered(&fit.network) == source.layers);
        if fits.is_empty() {
            let what = format!(
                "its tensors are those of family {}, but its layers come in another order",
                by_tensors.join(" or ")
            );
            let problem = Problem::new(what).expected(preset.join(", "), source.layers.join(", "));
            return Err(problem.advice("this program has no preset for that network"));
        }
    }
    if fits.len() > 1 {
        let what = format!("its tensors fit the families {}", by_tensors.join(" and "));
        return Err(Problem::new(what).advice("say which by --as, as `--as caffe`"));
    }
    fits.pop().ok_or_else(|| Problem::new("no family is known"))
}

/// The tensors that a network of exactly this shape has in the file, under our names or those of a
/// family of its preset.
pub(crate) fn find_described(source: &Source, network: &NetworkSpec) -> Result<Matched> {
    let families = Family::all().filter(|family| family.preset == network.name);
    let namings = [Naming::ours()].into_iter().chain(families.flat_map(|family| family.naming));
    let mut nearest: Option<Misfit> = None;
    for naming in namings {
        match matched(source, network.clone(), &naming, false)? {
            Ok(fit) => return Ok(fit),
            Err(misfit) if nearest.as_ref().is_none_or(|n| misfit.count() < n.count()) => {
                nearest = Some(misfit);
            }
            Err(_) => {}
        }
    }
    let of = format!("the network that the file describes, {}", quoted(&network.name));
    Err(nearest.unwrap_or_default().problem(&of))
}

fn unknown_family(name: &str) -> Problem {
    let known = Family::names().collect::<Vec<_>>().join(", ");
    let hint = nearest(name, Family::names());
    let hint = hint.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
    let what = format!("no family of weights is called {}{hint}", quoted(name));
    Problem::new(what).advice(format!("the families are {known}"))
}

/// The tensors of the file as those of `network`, whose last layer, and what it takes, is as large
/// as the file's where `any_head`; or how they differ.
fn matched(
    source: &Source,
    network: NetworkSpec,
    naming: &Naming,
    any_head: bool,
) -> Result<Result<Matched, Misfit>> {
    let find = |name: &str| source.tensors.iter().position(|tensor| tensor.name == name);
    let head = network.layers.last().map(|layer| naming.of(&layer.name)).unwrap_or_default();
    let head = head.iter().find_map(|name| source.tensors[find(name)?].shape.first().copied());
    let mut network = match head.filter(|classes| any_head && *classes > 0) {
        Some(classes) => network.with_classes(classes),
        None => network,
    };
    if let Some(input) = source.input.filter(|_| any_head) {
        // What the network cannot take is not what makes its tensors those of another one.
        let theirs = NetworkSpec { input, ..network.clone() };
        network = if theirs.fused_layers().is_ok() { theirs } else { network };
    }
    // A head of a size that cannot be is misshapen.
    let layers = network.fused_layers().map_err(Problem::said_by)?;
    let (mut tensors, mut misfit, mut known) =
        (BTreeMap::new(), Misfit::default(), BTreeSet::new());
    for layer in &layers {
        let Some(shape) = &layer.weight else { continue };
        let parts = [("weight", &shape[..]), ("bias", &shape[..1])];
        for ((part, shape), theirs) in parts.into_iter().zip(naming.of(&layer.name)) {
            let Some(place) = find(&theirs) else {
                misfit.missing.push((theirs, shape.to_vec()));
                continue;
            };
            let got = &source.tensors[place].shape;
            if got != shape {
                misfit.misshapen.push((theirs, shape.to_vec(), got.clone()));
            }
            known.insert(place);
            tensors.insert(format!("{}.{part}", layer.name), place);
        }
    }
    let unknown = source
        .tensors
        .iter()
        .enumerate()
        .filter(|(place, tensor)| !known.contains(place) && tensor.name != MEAN_IMAGE);
    if !source.has_others {
        misfit.unknown = unknown.map(|(_, t)| (t.name.clone(), t.shape.clone())).collect();
    }
    if misfit.count() > 0 {
        return Ok(Err(misfit));
    }
    check_total(tensors.values().map(|place| &source.tensors[*place]), source.length)?;
    Ok(Ok(Matched { network, tensors }))
}

/// Refuses tensors that have more bytes than their file, so that memory is bounded by it.
fn check_total<'a>(tensors: impl Iterator<Item = &'a SourceTensor>, length: u64) -> Result<()> {
    let mut total = 0_u64;
    for tensor in tensors {
        total = total.saturating_add(tensor.length()?);
    }
    if total <= length {
        return Ok(());
    }
    let what = "its tensors have more bytes than it: they share or repeat them";
    let problem = Problem::new(what).expected(format!("at most {length} bytes"), total);
    Err(problem.advice("save each with its own numbers, as by `tensor.clone()`"))
}

impl Misfit {
    /// How many tensors differ.
    fn count(&self) -> usize {
        self.missing.len() + self.unknown.len() + self.misshapen.len()
    }

    /// What to say of it; `of` is whose tensors were expected.
    fn problem(&self, of: &str) -> Problem {
        let named = |(name, shape): &(String, Vec<usize>)| format!("{} {shape:?}", quoted(name));
        let misshapen: Vec<_> = self
            .misshapen
            .iter()
            .map(|(name, expected, got)| format!("{} {got:?} for {expected:?}", quoted(name)))
            .collect();
        let parts = [
            ("missing", self.missing.iter().map(named).collect()),
            ("unknown", self.unknown.iter().map(named).collect()),
            ("misshapen", misshapen),
        ];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let parts = parts.map(|(word, names)| format!("{word}: {}", listed(names)));
        let parts = parts.collect::<Vec<_>>().join("; ");
        let known = Family::names().collect::<Vec<_>>().join(", ");
        Problem::new(format!("its tensors are not those of {of}: {parts}"))
            .advice(format!("expected the weights of an AlexNet; the families are {known}"))
    }
}

/// The first names, and how many more there are.
fn listed(names: &[String]) -> String {
    let first = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
