//! PyTorch's files (`torch.save`, since its version 1.6): a zip with a pickle, which has names,
//! sizes and steps of tensors, and a record for the numbers of each storage.

mod machine;
pub(crate) mod objects;
mod records;
pub(crate) mod state_dict;

use super::file::SourceFile;
use super::problem::{Problem, Result, quoted};
use super::source::{MOST_SIZES, Place, Source, SourceTensor};
use objects::Tensor;
use records::{Record, Records};

use crate::checkpoint::description::FILE;

/// The bytes of the largest pickle that is read. That of an AlexNet's state dict has 2,000.
const PICKLE: usize = 1 << 20;

/// The bytes of the largest description: that of a mean image is the most of it.
const DESCRIPTION: usize = 8 << 20;

/// How a file of PyTorch that is not read becomes one that is.
pub(crate) const SAVE_AGAIN: &str = "load it in PyTorch and save its state dict again: \
    `torch.save(torch.load(f, map_location=\"cpu\"), f2)`";

/// The tensors of a file.
pub(crate) fn read(file: &mut SourceFile) -> Result<Source> {
    let records = Records::read(file)?;
    if let Some(name) = records.names().find(|n| *n == "constants.pkl" || n.starts_with("code/")) {
        let what = format!(
            "it is a TorchScript archive, a program with its weights (record {}), and only weights \
             are read",
            quoted(name)
        );
        let advice = "save its state dict: `torch.save(torch.jit.load(f).state_dict(), f2)`";
        return Err(Problem::new(what).advice(advice));
    }
    records.check_plain()?;
    if let Some(record) = records.find("byteorder") {
        let order = file.bytes(record.range.clone(), 16)?;
        if order != b"little" {
            let order = String::from_utf8_lossy(&order).into_owned();
            let problem = Problem::new("its numbers are of another machine").advice(SAVE_AGAIN);
            return Err(problem.expected("byte order little", quoted(&order)));
        }
    }
    let pickle = records.get("data.pkl")?;
    let bytes = file.bytes(pickle.range.clone(), PICKLE)?;
    pickle.check(&bytes)?;
    let mut source = Source::new("PyTorch file", file.length());
    for (name, tensor) in state_dict::tensors(&bytes)? {
        source.add(placed(&records, &name, &tensor).map_err(|problem| problem.of(&name))?)?;
    }
    if let Some(record) = records.find(FILE) {
        let text = file.bytes(record.range.clone(), DESCRIPTION)?;
        record.check(&text)?;
        source.description = Some(String::from_utf8_lossy(&text).into_owned());
    }
    Ok(source)
}

/// A tensor of the pickle, at its place in the file.
fn placed(records: &Records, name: &str, tensor: &Tensor) -> Result<SourceTensor> {
    let Tensor { storage, offset, shape, strides } = tensor;
    let record: &Record = records.get(&format!("data/{}", storage.key))?;
    let (bytes, size) = (record.range.end - record.range.start, storage.dtype.bytes());
    if storage.count.checked_mul(size) != Some(bytes) {
        let problem = Problem::new(format!("its storage {} has another length", record.name));
        return Err(problem.expected(format!("{} numbers of {size} bytes", storage.count), bytes));
    }
    if shape.len() > MOST_SIZES || shape.len() != strides.len() {
        let what = format!("it has {} sizes and {} steps", shape.len(), strides.len());
        return Err(Problem::new(what).expected(format!("at most {MOST_SIZES}"), shape.len()));
    }
    // From the first number to behind the last.
    let is_empty = shape.contains(&0);
    let steps = shape.iter().zip(strides);
    let last = steps.clone().try_fold(0_u64, |last, (size, stride)| {
        last.checked_add((*size as u64).saturating_sub(1).checked_mul(*stride as u64)?)
    });
    let extent = if is_empty { Some(0) } else { last.and_then(|last| last.checked_add(1)) };
    let end = extent.and_then(|extent| extent.checked_add(*offset));
    let (Some(extent), Some(_)) = (extent, end.filter(|end| *end <= storage.count)) else {
        let problem = Problem::new("it reaches out of its storage");
        let expected = format!("within {} numbers", storage.count);
        return Err(problem.expected(expected, format!("{shape:?} by {strides:?} from {offset}")));
    };
    let start = record.range.start + offset * size;
    let range = start..start + extent * size;
    let mut step = 1;
    let in_order = steps.rev().all(|(size, stride)| {
        let is_next = *size == 1 || *stride == step;
        step = step.saturating_mul(*size);
        is_next
    });
    let (name, shape, dtype) = (name.to_owned(), shape.clone(), storage.dtype);
    let crc32 = (range == record.range && in_order).then_some(record.crc32);
    let place = match in_order || is_empty {
        true => Place::Ranges(vec![range]),
        false => Place::Strided { range, strides: strides.clone() },
    };
    Ok(SourceTensor { name, shape, dtype, place, crc32 })
}
