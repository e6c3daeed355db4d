//! Weights as a file of safetensors.

use std::io::{self, Write};
use std::path::Path;

use alexnet_data::write_atomic;
use candle_core::Tensor;
use serde_json::{Map, Value, json};

use super::weights::Weights;
use crate::checkpoint::MEAN_IMAGE;
use crate::checkpoint::description::KEY;
use crate::checkpoint::write::with_values;
use crate::error::Error;

/// Writes the file `path`: the parameters under the names of our layers, and the mean image.
pub(super) fn export(weights: &Weights, path: &Path) -> Result<(), Error> {
    let parameters = weights.tensors.iter().map(|(name, tensor)| (&name[..], tensor));
    let mean_image = weights.mean_image.contiguous()?;
    let tensors: Vec<_> = parameters.chain([(MEAN_IMAGE, &mean_image)]).collect();
    write(weights.description()?, &tensors, path)
}

/// Writes the file `path` with these tensors, contiguous f32 of the host's memory, and the
/// description of the weights.
pub(super) fn write(
    description: String,
    tensors: &[(&str, &Tensor)],
    path: &Path,
) -> Result<(), Error> {
    let header = header(description, tensors);
    Ok(write_atomic(path, |file| {
        file.write_all(&header)?;
        tensors.iter().try_for_each(|(_, tensor)| {
            with_values(tensor, |values| file.write_all(bytemuck::cast_slice(values)))
                .map_err(io::Error::other)?
        })
    })?)
}

/// The length of a JSON object, and that object, padded so that the numbers begin at a multiple of
/// 8 bytes. Its `format` is what programs of PyTorch ask for.
fn header(description: String, tensors: &[(&str, &Tensor)]) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({KEY: description, "format": "pt"}));
    let mut end = 0;
    for (name, tensor) in tensors {
        let begin = end;
        end += 4 * tensor.elem_count();
        let entry = json!({"dtype": "F32", "shape": tensor.dims(), "data_offsets": [begin, end]});
        header.insert((*name).to_owned(), entry);
    }
    let mut text = Value::Object(header).to_string();
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}
