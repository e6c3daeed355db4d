//! Writes a checkpoint: everything under checksums, and nothing that is not finite. Neither copies
//! its tensors, but for the few that do not lie in memory as in the file.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::Path;

use alexnet_data::{Preprocessing, past_cache};
use alexnet_model::NetworkSpec;
use candle_core::{Storage, Tensor, bail};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};

use super::header::{Header, METADATA, seal};
use super::progress::SavedState;
use super::{MEAN_IMAGE, VELOCITY};
use crate::error::Error;
use crate::recipe::Recipe;
use crate::train::finite::{LastStep, diverged, not_finite};
use crate::train::snapshot::Snapshot;

/// Values that are looked at together, as many as a cache holds.
const CHUNK: usize = 1 << 15;

/// What all checkpoints of a run have in common.
#[derive(Debug)]
pub(crate) struct CheckpointWriter {
    pub(crate) recipe: Recipe,
    pub(crate) classes: Vec<String>,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) mean_image: Tensor, // (H, W, 3)
}

impl CheckpointWriter {
    /// Final weights or, with `state`, a checkpoint from which training can go on; `path` is where
    /// they will be. What is not finite after the step `last` is refused.
    pub(crate) fn file(
        &self,
        path: &Path,
        snapshot: &Snapshot,
        state: Option<&SavedState>,
        last: LastStep,
    ) -> Result<CheckpointFile, Error> {
        let [values, velocities] = snapshot.values()?;
        let mut tensors: BTreeMap<_, _> = values.into_iter().collect();
        if state.is_some() {
            let named = |(name, velocity)| (format!("{VELOCITY}{name}"), velocity);
            tensors.extend(velocities.into_iter().map(named));
        }
        self.file_of(path, snapshot.spec(), tensors, state, |name, value| {
            diverged(format!("a value of `{name}`"), value, last)
        })
    }

    /// The same of tensors by name; `refused` is the error of a value that is not finite.
    pub(crate) fn file_of(
        &self,
        path: &Path,
        network: &NetworkSpec,
        mut tensors: BTreeMap<String, Tensor>,
        state: Option<&SavedState>,
        refused: impl Fn(&str, f32) -> Error,
    ) -> Result<CheckpointFile, Error> {
        tensors.insert(MEAN_IMAGE.to_owned(), self.mean_image.clone());
        let mut crc32 = BTreeMap::new();
        for (name, tensor) in &mut tensors {
            *tensor = tensor.contiguous()?; // most are
            let checksum = with_values(tensor, checksum)?;
            crc32.insert(name.clone(), checksum.map_err(|value| refused(name, value))?);
        }
        let Self { recipe, classes, preprocessing, .. } = self;
        let header = Header::new(network, recipe, classes, *preprocessing, state.cloned(), crc32);
        let text = serde_json::to_string(&header).map_err(|e| Error::io(path)(e.into()))?;
        let fail = |reason| Error::Checkpoint { path: path.to_owned(), reason };
        let mut header = header_bytes(&tensors, text).map_err(|e| fail(e.to_string()))?;
        match seal(&mut header) {
            true => Ok(CheckpointFile { header, tensors: tensors.into_values().collect() }),
            false => Err(fail("its header has no place for its checksum".to_owned())),
        }
    }
}

/// The content of a checkpoint file, which holds no copy of the tensors' bytes.
#[derive(Debug)]
pub(crate) struct CheckpointFile {
    header: Vec<u8>,
    tensors: Vec<Tensor>, // contiguous f32, in the order of the file
}

impl CheckpointFile {
    /// The bytes of the file.
    pub(crate) fn length(&self) -> u64 {
        let values: usize = self.tensors.iter().map(Tensor::elem_count).sum();
        (self.header.len() + 4 * values) as u64
    }

    pub(crate) fn write_to(&self, file: &mut File) -> io::Result<()> {
        past_cache(file, |file| {
            file.write_all(&self.header)?;
            self.tensors.iter().try_for_each(|tensor| {
                with_values(tensor, |values| file.write_all(bytemuck::cast_slice(values)))
                    .map_err(io::Error::other)?
            })
        })
    }
}

/// The header of a safetensors file with these tensors, all f32, in their order.
fn header_bytes(
    tensors: &BTreeMap<String, Tensor>,
    text: String,
) -> Result<Vec<u8>, SafeTensorError> {
    let mut end = 0;
    let info = |(name, tensor): (&String, &Tensor)| {
        let start = end;
        end += 4 * tensor.elem_count();
        let (dtype, shape) = (Dtype::F32, tensor.dims().to_vec());
        (name.clone(), TensorInfo { dtype, shape, data_offsets: (start, end) })
    };
    let infos = tensors.iter().map(info).collect();
    let metadata = HashMap::from([(METADATA.to_owned(), text)]);
    let mut json = serde_json::to_vec(&Metadata::new(Some(metadata), infos)?)?;
    json.resize(json.len().next_multiple_of(8), b' ');
    Ok([&(json.len() as u64).to_le_bytes(), &json[..]].concat())
}

/// Calls `read` with the values of a contiguous f32 tensor of the host's memory.
pub(crate) fn with_values<T>(
    tensor: &Tensor,
    read: impl FnOnce(&[f32]) -> T,
) -> candle_core::Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((start, end))) => {
            Ok(read(&storage.as_slice::<f32>()?[start..end]))
        }
        _ => bail!("a tensor of a checkpoint is not in the host's memory, or has gaps"),
    }
}

/// The CRC-32 of the values' bytes, or a value that is not finite.
fn checksum(values: &[f32]) -> Result<u32, f32> {
    let mut hasher = crc32fast::Hasher::new();
    for values in values.chunks(CHUNK) {
        if let Some(value) = not_finite(values) {
            return Err(value);
        }
        hasher.update(bytemuck::cast_slice(values));
    }
    Ok(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    /// It is what the library writes of the same tensors, which need not lie in order.
    #[test]
    fn a_safetensors_file() {
        let tensor = |dims: &[usize]| Tensor::randn(0f32, 1.0, dims, &Device::Cpu).unwrap();
        let tensors = BTreeMap::from([
            ("b".to_owned(), tensor(&[3, 5])),
            ("a".to_owned(), tensor(&[7])),
            ("c".to_owned(), tensor(&[2, 1, 3, 3])),
            ("none".to_owned(), Tensor::zeros(0, DType::F32, &Device::Cpu).unwrap()),
        ]);
        for text in ["", "{}", "{\"a\": 1}"] {
            let metadata = HashMap::from([(METADATA.to_owned(), text.to_owned())]);
            let want = safetensors::serialize(&tensors, Some(metadata)).unwrap();
            let header = header_bytes(&tensors, text.to_owned()).unwrap();
            let file = CheckpointFile { header, tensors: tensors.clone().into_values().collect() };
            let mut written = tempfile::NamedTempFile::new().unwrap();
            file.write_to(written.as_file_mut()).unwrap();
            let got = std::fs::read(written.path()).unwrap();
            assert_eq!((got == want, file.length()), (true, want.len() as u64), "{text}");
        }
    }
}
