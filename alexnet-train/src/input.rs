//! From the bytes of a batch to the network's input on a device.

use alexnet_data::{Batch, View};
use alexnet_kernels::{
    ComputeDevice, DeviceBatch, HostBatch, Input, SpaceToDepth, Staging, Window,
};
use candle_core::{DType, Device, Result, Tensor};

use crate::recipe::{InputRecipe, Mean};

/// Subtracts the mean and multiplies by the factors of a recipe, on one device.
#[derive(Debug)]
pub struct InputStage {
    mean: Tensor,  // (h, w, 3); (H, W, 3) where the mean is aligned; or (3)
    aligned: bool, // whether the mean is as large as the stored images and follows the crop
    scale: [f32; 3],
    blocks: Option<SpaceToDepth>, // those in which the images are to lie
    pub(crate) compute: ComputeDevice,
}

impl InputStage {
    /// The input for crops of `crop` (h, w) of images of `stored` (H, W) pixels, whose mean is
    /// `mean_image`, `(H, W, 3)`.
    ///
    /// # Errors
    ///
    /// A mean image of another size; a device without enough memory.
    pub fn new(
        recipe: &InputRecipe,
        mean_image: &[f32],
        stored: [usize; 2],
        crop: [usize; 2],
        compute: &ComputeDevice,
    ) -> Result<Self> {
        let image = Tensor::from_slice(mean_image, (stored[0], stored[1], 3), &Device::Cpu)?;
        let mean = subtracted_mean(recipe.mean, &image, crop)?;
        Ok(Self {
            mean: mean.to_device(compute.device())?,
            aligned: recipe.mean == Mean::Aligned,
            scale: recipe.scale,
            blocks: None,
            compute: compute.clone(),
        })
    }

    /// The same, of images in the blocks of pixels that
    /// [`image_blocks`](alexnet_model::Network::image_blocks) of a network says.
    #[must_use]
    pub fn in_blocks(self, blocks: Option<SpaceToDepth>) -> Self {
        Self { blocks, ..self }
    }

    /// The network's input `(B, 3, h, w)` for a batch in the host's memory. `divisor` is that of
    /// the colour noise, 1 without noise.
    ///
    /// # Errors
    ///
    /// A batch of crops of another size; a device without enough memory.
    pub fn run(&self, batch: &Batch, divisor: f32) -> Result<Tensor> {
        let mut staging = Staging::new(self.compute.device())?;
        let sent = self.send(batch, &mut staging)?;
        let images = self.images(&sent, divisor)?;
        staging.release(sent)?;
        Ok(images)
    }

    /// Sends a batch to this device.
    pub(crate) fn send(&self, batch: &Batch, staging: &mut Staging) -> Result<DeviceBatch> {
        let window = |v: &View| Window { top: v.top, left: v.left, flip: v.flip };
        let views = if self.aligned { &batch.views[..] } else { &[] }; // else no one reads them
        staging.send(&HostBatch {
            pixels: &batch.pixels,
            size: [batch.height, batch.width],
            shift: &batch.color_shift,
            labels: &batch.labels,
            windows: &views.iter().map(window).collect::<Vec<_>>(),
        })
    }

    /// The network's input `(B, 3, h, w)`, or in blocks, for a batch that was sent.
    pub(crate) fn images(&self, batch: &DeviceBatch, divisor: f32) -> Result<Tensor> {
        let (scale, output) = (self.scale.map(|s| s / divisor), self.compute.activations());
        let input = Input { scale, output, blocks: self.blocks };
        if self.aligned {
            return input.forward_aligned(&batch.pixels, &self.mean, &batch.windows, &batch.shift);
        }
        input.forward(&batch.pixels, &self.mean, &batch.shift)
    }
}

/// What is subtracted, of the mean image `(H, W, 3)` for crops of `crop` (h, w): `(h, w, 3)`,
/// `(H, W, 3)` where it follows the crop, or `(3)`.
pub(crate) fn subtracted_mean(mean: Mean, image: &Tensor, crop: [usize; 2]) -> Result<Tensor> {
    let (height, width, _) = image.dims3()?;
    match mean {
        Mean::CentreWindow => image
            .narrow(0, height.saturating_sub(crop[0]) / 2, crop[0])?
            .narrow(1, width.saturating_sub(crop[1]) / 2, crop[1])?
            .contiguous(),
        Mean::Aligned => Ok(image.clone()),
        // (3), summed in f64, because a sum of 65,536 pixels has few digits left in f32.
        Mean::Channel => image.to_dtype(DType::F64)?.flatten_to(1)?.mean(0)?.to_dtype(DType::F32),
    }
}
