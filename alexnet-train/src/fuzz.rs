//! The functions that the fuzzers of `fuzz/` call: each reader of weights of others by itself.
//!
//! They are not meant for use: they have no results, and may change in any release. Each takes any
//! bytes, and must neither panic nor hang nor allocate memory out of proportion.

use crate::import::file::SourceFile;
use crate::import::problem::Result;
use crate::import::source::Source;
use crate::import::{caffe, onnx, torch, values};

/// Reads every tensor that a reader finds.
fn read_all(bytes: &[u8], read: impl FnOnce(&mut SourceFile) -> Result<Source>) {
    let mut file = SourceFile::of_bytes(bytes.to_vec());
    let Ok(source) = read(&mut file) else { return };
    for tensor in &source.tensors {
        let _ = values::read(&mut file, tensor);
    }
}

/// A PyTorch file.
pub fn torch_file(bytes: &[u8]) {
    read_all(bytes, torch::read);
}

/// The pickle of a PyTorch file alone: no zip and no checksum keeps it from being changed.
pub fn torch_pickle(bytes: &[u8]) {
    let _ = torch::state_dict::tensors(bytes);
}

/// A Caffe model, and the same bytes as a mean image.
pub fn caffe_model(bytes: &[u8]) {
    read_all(bytes, caffe::read);
    let mut file = SourceFile::of_bytes(bytes.to_vec());
    if let Ok(tensor) = caffe::blob::read_blob_file(&mut file) {
        let _ = values::read(&mut file, &tensor);
    }
}

/// An ONNX file.
pub fn onnx_model(bytes: &[u8]) {
    read_all(bytes, onnx::read);
}
