//! Which kind of file it is, by its first bytes.

use super::file::SourceFile;
use super::problem::{Problem, Result};
use super::source::Source;
use super::torch::SAVE_AGAIN;
use super::{caffe, onnx, safetensors, torch};

/// Bytes that are looked at; a tar says what it is at byte 257.
const START: usize = 512;

/// What PyTorch wrote before its version 1.6: a number, in a pickle of its own.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Reads which tensors a file has.
pub(crate) fn read(file: &mut SourceFile) -> Result<Source> {
    let start = file.start(START)?;
    match &start[..] {
        [] => Err(Problem::new("it is empty")),
        _ if start.starts_with(b"PK\x03\x04") => torch::read(file),
        _ if safetensors::is_safetensors(&start) => safetensors::read(file),
        _ if start.starts_with(LEGACY) => {
            let what = "it is in PyTorch's format of before version 1.6, a pickle without a zip \
                        around it, which is not read here";
            Err(Problem::new(what).advice(SAVE_AGAIN))
        }
        _ if start.get(257..262) == Some(b"ustar") => {
            let what = "it is a tar, as PyTorch's oldest format is, which is not read here";
            Err(Problem::new(what).advice(SAVE_AGAIN))
        }
        [0x80, 2..=5, ..] => {
            let what = "it is a bare pickle, which may hold code and is not read here";
            Err(Problem::new(what).advice(SAVE_AGAIN))
        }
        _ if start.starts_with(b"\x89HDF\r\n\x1a\n") => {
            let what = "it is an HDF5 file, as Caffe's .caffemodel.h5, which is not read here";
            Err(Problem::new(what).advice("give Caffe's .caffemodel, or save it as safetensors"))
        }
        _ if onnx::is_model(&start) => onnx::read(file),
        _ if caffe::is_model(&start) => caffe::read(file),
        _ if caffe::is_blob(&start) => {
            let problem = Problem::new("it is a mean image of Caffe, and no weights");
            Err(problem.advice("give the .caffemodel, and this file with --mean"))
        }
        _ => {
            let shown: Vec<_> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let what = format!(
                "it is no file of weights that is known: it starts with {}",
                shown.join(" ")
            );
            Err(Problem::new(what).advice(
                "expected a PyTorch file (.pth, .pt), a Caffe model (.caffemodel), ONNX (.onnx) or \
                 safetensors",
            ))
        }
    }
}
