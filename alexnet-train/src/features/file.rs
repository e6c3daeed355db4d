//! A file of features, written row by row: safetensors, or numpy's npy with a second file for the
//! labels.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alexnet_data::AtomicFile;
use alexnet_model::Shape;
use candle_core::Tensor;
use safetensors::View;
use serde_json::{Map, Value, json};

use crate::error::Error;

/// A file of features that is being written. It is whole or not there: what is not committed
/// vanishes.
///
/// A name that ends in `.safetensors` gives one file with the tensors `labels`, `(N)` in i64, where
/// there are any, and `features`, `(N, …)` in f32, and with metadata. A name that ends in `.npy`
/// gives the features as an array of version 1.0, little-endian and in C order, and the labels in
/// i64 beside it, in `NAME.labels.npy`. [`FeatureFile::create_named`] gives the tensor of features
/// another name.
#[derive(Debug)]
pub struct FeatureFile {
    features: AtomicFile,
    labels: Option<AtomicFile>, // where they have a file of their own
    path: PathBuf,
    row: usize,
    rows: usize,
    written: usize,
}

impl FeatureFile {
    /// Begins the file `path` for features of one shape of so many images, which have `labels` or
    /// none. Of an npy file `metadata` is left out, because it has no place for it.
    ///
    /// # Errors
    ///
    /// [`Error::FeatureFile`] for a name with another ending; a path where something lies that is
    /// no regular file; a folder that does not exist; a full disk.
    pub fn create(
        path: &Path,
        shape: Shape,
        images: usize,
        labels: Option<&[u32]>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        Self::create_named(path, "features", shape, images, labels, metadata)
    }

    /// [`create`](Self::create) with another name of the tensor than `features`, not `labels`.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create).
    pub fn create_named(
        path: &Path,
        name: &str,
        shape: Shape,
        images: usize,
        labels: Option<&[u32]>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let dims: Vec<usize> = [images].into_iter().chain(shape.dims()).collect();
        let label_bytes = labels.map(|labels| {
            labels.iter().flat_map(|label| i64::from(*label).to_le_bytes()).collect::<Vec<u8>>()
        });
        let begin = |path: &Path, parts: [&[u8]; 2]| -> Result<AtomicFile, Error> {
            let mut file = AtomicFile::create(path)?;
            parts.iter().try_for_each(|part| file.write(part))?;
            Ok(file)
        };
        let (features, labels) = match path.extension().and_then(|ending| ending.to_str()) {
            Some("npy") => {
                let labels = label_bytes.map(|bytes| {
                    let header = npy_header("<i8", &[images]);
                    begin(&path.with_extension("labels.npy"), [&header, &bytes])
                });
                (begin(path, [&npy_header("<f4", &dims), &[]])?, labels.transpose()?)
            }
            Some("safetensors") => {
                let bytes = label_bytes.unwrap_or_default();
                let count = [labels.map_or(0, <[u32]>::len)];
                // The labels first, so that each number is at a multiple of its size.
                let labels = labels.map(|_| ("labels", "I64", &count[..]));
                let tensors = labels.into_iter().chain([(name, "F32", &dims[..])]);
                let header = safetensors_header(tensors, metadata);
                (begin(path, [&header, &bytes])?, None)
            }
            _ => return Err(Error::FeatureFile(path.to_owned())),
        };
        let (path, row) = (path.to_owned(), shape.elem_count());
        Ok(Self { features, labels, path, row, rows: images, written: 0 })
    }

    /// Writes the features of the next images, `(B, …)` in f32 and row-major.
    ///
    /// # Errors
    ///
    /// Features of another shape; a full disk.
    pub fn write(&mut self, features: &Tensor) -> Result<(), Error> {
        let (rows, bytes) = (features.dim(0)?, features.data());
        if bytes.len() != 4 * rows * self.row || self.written + rows > self.rows {
            return Err(self.wrong(format!("{:?} more features", features.dims())));
        }
        self.written += rows;
        Ok(self.features.write(&bytes)?)
    }

    /// Completes the file, and the one of the labels.
    ///
    /// # Errors
    ///
    /// Features of fewer images than it was begun for; a full disk.
    pub fn commit(self) -> Result<(), Error> {
        if self.written != self.rows {
            return Err(self.wrong(format!("features of {} images", self.written)));
        }
        // The labels first: where there are features there are labels.
        self.labels.map_or(Ok(()), AtomicFile::commit)?;
        Ok(self.features.commit()?)
    }

    fn wrong(&self, got: String) -> Error {
        let reason = format!("{got}, but it is for {} images of {} numbers", self.rows, self.row);
        Error::Checkpoint { path: self.path.clone(), reason }
    }
}

/// The header of an npy file of version 1.0: magic, version, its length, and a Python dictionary,
/// padded so that the numbers begin at a multiple of 64 bytes.
fn npy_header(dtype: &str, dims: &[usize]) -> Vec<u8> {
    let dims: String = dims.iter().map(|n| format!("{n}, ")).collect();
    let mut text =
        format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({}), }}", dims.trim_end());
    const BEFORE: usize = 10;
    let padded = (BEFORE + text.len() + 1).next_multiple_of(64) - BEFORE;
    text.push_str(&" ".repeat(padded - text.len() - 1));
    text.push('\n');
    let length = (padded as u16).to_le_bytes(); // a few dozen bytes
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes()].concat()
}

/// The header of a safetensors file of tensors, each with its name, its dtype, `F32` or `I64`, and
/// its shape: the length of a JSON object, and that object, padded so that the numbers begin at a
/// multiple of 8 bytes. The same content gives the same bytes.
pub(super) fn safetensors_header<'a>(
    tensors: impl IntoIterator<Item = (&'a str, &'a str, &'a [usize])>,
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!(metadata));
    let mut end = 0;
    for (name, dtype, dims) in tensors {
        let (begin, each) = (end, if dtype == "I64" { 8 } else { 4 });
        end += each * dims.iter().product::<usize>();
        let entry = json!({"dtype": dtype, "shape": dims, "data_offsets": [begin, end]});
        header.insert(name.to_owned(), entry);
    }
    let mut text = Value::Object(header).to_string();
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}
