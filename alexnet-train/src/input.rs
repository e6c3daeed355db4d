//! From a batch of bytes to the network's input on the device.

use alexnet_data::{Batch, Statistics, View};
use alexnet_kernels::{Input, Window, recycle, upload};
use candle_core::{Device, Result, Tensor};

use crate::{InputRecipe, Mean};

/// The mean and the factors by which pixels become numbers.
#[derive(Debug)]
pub struct InputStage {
    mean: Tensor,  // (H, W, 3) in crop or image size, or (3)
    aligned: bool, // the mean is image size and follows the crop
    scale: [f32; 3],
    device: Device,
}

impl InputStage {
    /// For crops of `crop` (height, width) of images of `stored` pixels with the given mean image `(H, W, 3)`.
    ///
    /// # Errors
    ///
    /// No memory on the device.
    pub fn new(
        recipe: &InputRecipe,
        mean_image: &[f32],
        stored: [usize; 2],
        crop: [usize; 2],
        device: &Device,
    ) -> Result<Self> {
        let image = Tensor::from_slice(mean_image, (stored[0], stored[1], 3), device)?;
        let mean = match recipe.mean {
            Mean::CentreWindow => image
                .narrow(0, (stored[0] - crop[0]) / 2, crop[0])?
                .narrow(1, (stored[1] - crop[1]) / 2, crop[1])?
                .contiguous()?,
            Mean::Aligned => image,
            Mean::Channel => image.flatten_to(1)?.mean(0)?, // (3)
        };
        Ok(Self {
            mean,
            aligned: recipe.mean == Mean::Aligned,
            scale: recipe.scale,
            device: device.clone(),
        })
    }

    /// The batch as `(B, 3, h, w)`; `divisor` is what colour noise asks for, 1 without.
    ///
    /// # Errors
    ///
    /// A batch whose crops are not of the size this was made for.
    pub fn run(&self, batch: &Batch, divisor: f32) -> Result<Tensor> {
        let (b, h, w) = (batch.labels.len(), batch.height, batch.width);
        let pixels = upload(&batch.pixels, (b, h, w, 3), &self.device)?;
        let shift = Tensor::from_slice(batch.color_shift.as_flattened(), (b, 3), &self.device)?;
        let input = Input { scale: self.scale.map(|s| s / divisor) };
        let images = if self.aligned {
            let window = |v: &View| Window { top: v.top, left: v.left, flip: v.flip };
            let windows: Vec<Window> = batch.views.iter().map(window).collect();
            input.forward_aligned(&pixels, &self.mean, &windows, &shift)?
        } else {
            input.forward(&pixels, &self.mean, &shift)?
        };
        recycle(pixels);
        Ok(images)
    }
}

/// The mean image of a dataset, as checkpoints carry it.
pub(crate) fn mean_image(statistics: &Statistics, stored: [usize; 2]) -> Result<Tensor> {
    Tensor::from_slice(&statistics.mean_image, (stored[0], stored[1], 3), &Device::Cpu)
}
