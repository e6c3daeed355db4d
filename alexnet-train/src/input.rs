//! From a batch of bytes to the network's input on the device.

use alexnet_data::{Batch, Statistics, View};
use alexnet_kernels::{ComputeDevice, DeviceBatch, HostBatch, Input, Staging, Window};
use candle_core::{Device, Result, Tensor};

use crate::{InputRecipe, Mean};

/// The mean and the factors by which pixels become numbers.
#[derive(Debug)]
pub struct InputStage {
    mean: Tensor,  // (H, W, 3) in crop or image size, or (3)
    aligned: bool, // the mean is image size and follows the crop
    scale: [f32; 3],
    compute: ComputeDevice,
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
        compute: &ComputeDevice,
    ) -> Result<Self> {
        let image = Tensor::from_slice(mean_image, (stored[0], stored[1], 3), &Device::Cpu)?;
        let mean = match recipe.mean {
            Mean::CentreWindow => image
                .narrow(0, (stored[0] - crop[0]) / 2, crop[0])?
                .narrow(1, (stored[1] - crop[1]) / 2, crop[1])?
                .contiguous()?,
            Mean::Aligned => image,
            Mean::Channel => image.flatten_to(1)?.mean(0)?, // (3)
        };
        Ok(Self {
            mean: mean.to_device(compute.device())?,
            aligned: recipe.mean == Mean::Aligned,
            scale: recipe.scale,
            compute: compute.clone(),
        })
    }

    /// The batch as `(B, 3, h, w)`; `divisor` is what colour noise asks for, 1 without.
    ///
    /// # Errors
    ///
    /// A batch whose crops are not of the size this was made for.
    pub fn run(&self, batch: &Batch, divisor: f32) -> Result<Tensor> {
        let mut staging = Staging::new(self.compute.device())?;
        let sent = staging.send(&host_batch(batch, &self.windows(batch)))?;
        let images = self.run_sent(&sent, divisor)?;
        staging.release(sent)?;
        Ok(images)
    }

    /// The same of a batch that is on the device, or on its way.
    pub(crate) fn run_sent(&self, batch: &DeviceBatch, divisor: f32) -> Result<Tensor> {
        let (scale, output) = (self.scale.map(|s| s / divisor), self.compute.activations());
        let input = Input { scale, output };
        if self.aligned {
            return input.forward_aligned(&batch.pixels, &self.mean, &batch.windows, &batch.shift);
        }
        input.forward(&batch.pixels, &self.mean, &batch.shift)
    }

    /// Where in their images the crops of `batch` were, if the mean follows them; else none.
    pub(crate) fn windows(&self, batch: &Batch) -> Vec<Window> {
        let window = |v: &View| Window { top: v.top, left: v.left, flip: v.flip };
        if self.aligned { batch.views.iter().map(window).collect() } else { Vec::new() }
    }

    /// Where it computes.
    pub(crate) fn compute(&self) -> &ComputeDevice {
        &self.compute
    }
}

/// The names of devices: `cuda:0,cuda:1`.
pub(crate) fn names(devices: &[ComputeDevice]) -> String {
    devices.iter().map(|device| device.name().to_string()).collect::<Vec<_>>().join(",")
}

/// candle's handles of some devices.
pub(crate) fn handles(devices: &[ComputeDevice]) -> Vec<Device> {
    devices.iter().map(|compute| compute.device().clone()).collect()
}

/// What a device gets of a batch whose crops were at `windows`.
pub(crate) fn host_batch<'a>(batch: &'a Batch, windows: &'a [Window]) -> HostBatch<'a> {
    HostBatch {
        pixels: &batch.pixels,
        size: [batch.height, batch.width],
        shift: &batch.color_shift,
        labels: &batch.labels,
        windows,
    }
}

/// The mean image of a dataset, as checkpoints carry it.
pub(crate) fn mean_image(statistics: &Statistics, stored: [usize; 2]) -> Result<Tensor> {
    Tensor::from_slice(&statistics.mean_image, (stored[0], stored[1], 3), &Device::Cpu)
}
