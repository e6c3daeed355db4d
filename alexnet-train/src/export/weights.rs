//! Weights that are to be written in a format of another program, found whole.

use std::path::Path;

use alexnet_data::Preprocessing;
use candle_core::{DType, Tensor};

use crate::checkpoint::Checkpoint;
use crate::checkpoint::description::Description;
use crate::error::Error;

/// What every format is written of.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) description: Description,
    /// Every parameter by its name and in PyTorch's layout, in the order of the layers: contiguous,
    /// f32, in the host's memory.
    pub(super) tensors: Vec<(String, Tensor)>,
    /// `(H, W, 3)`, of the size of the images.
    pub(super) mean_image: Tensor,
}

impl Weights {
    /// Those of a checkpoint, which is the file `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] for a tensor that is missing or of another shape than the network's;
    /// [`Error::Network`] for a network that cannot be.
    pub(super) fn new(checkpoint: &Checkpoint, path: &Path) -> Result<Self, Error> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let description = checkpoint.description();
        let mut tensors = Vec::new();
        for layer in description.network.fused_layers()? {
            let Some(weight) = &layer.weight else { continue };
            let shapes = [&weight[..], &weight[..1]];
            let names = ["weight", "bias"].map(|part| format!("{}.{part}", layer.name));
            let found = checkpoint.parameters(&layer.name).into_iter();
            for ((name, expected), tensor) in names.into_iter().zip(shapes).zip(found) {
                let tensor = tensor.filter(|t| t.dims() == expected && t.dtype() == DType::F32);
                let tensor = tensor.ok_or_else(|| {
                    fail(format!("it has no tensor `{name}` of {expected:?} in f32; take another"))
                })?;
                tensors.push((name, tensor.contiguous()?));
            }
        }
        let Preprocessing { height, width, .. } = description.preprocessing;
        let [_, h, w] = description.network.input;
        let mean_image = checkpoint.mean_image().filter(|_| height >= h && width >= w);
        let mean_image = mean_image.cloned().ok_or_else(|| {
            fail(format!(
                "it has no mean image of {height}x{width} pixels, of which crops of {h}x{w} are \
                 taken; take another"
            ))
        })?;
        Ok(Self { description, tensors, mean_image })
    }

    /// The text that says what these weights are good for, with the mean image in it.
    pub(super) fn description_with_mean(&self) -> Result<String, Error> {
        let mean: Vec<f32> = self.mean_image.flatten_all()?.to_vec1()?;
        let text = self.description.to_text(Some(&mean));
        Ok(text.map_err(candle_core::Error::wrap)?)
    }

    /// The text that says what these weights are good for, where the mean image is beside it.
    pub(super) fn description(&self) -> Result<String, Error> {
        Ok(self.description.to_text(None).map_err(candle_core::Error::wrap)?)
    }
}
