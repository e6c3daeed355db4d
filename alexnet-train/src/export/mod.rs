//! Weights in the formats of other programs.

mod hugging_face;
mod names;
mod onnx;
mod safetensors;
mod text;
mod torch;
mod weights;

use std::path::{Path, PathBuf};

use self::weights::Weights;
use crate::checkpoint::Checkpoint;
use crate::error::Error;

/// A format of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A graph of ONNX, operators of version 17, for any number of images. Its input is `input`,
    /// `(B, C, H, W)` in f32, what the network takes; or with `with_input` a picture, `picture`,
    /// RGB bytes of the size of the stored images, whose crop, mean and scale are then in the
    /// graph. Its output is `logits`, `(B, classes)`.
    Onnx {
        /// Whether the graph begins with a picture.
        with_input: bool,
    },
    /// A file of safetensors: the parameters under our names, `input.mean_image`, `(H, W, 3)`, and
    /// the description as metadata.
    Safetensors,
    /// A state dict as `torch.save` writes it, with torchvision's names for its own `alexnet`, and
    /// for every other network ours and a module file beside it, `NAME.py`.
    Torch,
    /// A folder for the Hugging Face Hub: weights, configuration, card.
    HuggingFace,
}

/// Writes the weights of a checkpoint, which is the file `path`, in a format of another program to
/// `output`, and gives the files that were written. Of the weights no copy is made.
///
/// # Errors
///
/// [`Error::Checkpoint`] for weights that lack a tensor, and for a module file that would replace
/// another file; [`Error::Data`] for a file that cannot be written.
pub fn export(
    checkpoint: &Checkpoint,
    path: &Path,
    format: ExportFormat,
    output: &Path,
) -> Result<Vec<PathBuf>, Error> {
    let weights = Weights::new(checkpoint, path)?;
    match format {
        ExportFormat::Onnx { with_input } => {
            onnx::export(&weights, with_input, output).map(|()| vec![output.to_owned()])
        }
        ExportFormat::Safetensors => {
            safetensors::export(&weights, output).map(|()| vec![output.to_owned()])
        }
        ExportFormat::Torch => torch::export(&weights, output),
        ExportFormat::HuggingFace => hugging_face::export(&weights, output),
    }
}
