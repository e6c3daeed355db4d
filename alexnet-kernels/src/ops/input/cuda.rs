//! The input layer on GPUs.

use candle_core::{CudaStorage, Result, bail};

use super::launch;
use super::window::Windows;
use crate::cuda::gpu::Gpu;
use crate::cuda::launch::Storage;
use crate::op::{Input, Outputs};

/// Pixels (B, H, W, 3), a mean and shifts to activations of the given storage.
pub(super) fn input(
    storage: Storage,
    [pixels, mean, shift]: [Input<'_, CudaStorage>; 3],
    scale: [f32; 3],
) -> Result<Outputs<CudaStorage>> {
    let ((_, h, w, c), shape) = (pixels.dims4()?, pixels.shape());
    let gpu = Gpu::of(pixels.storage);
    let (pixels, _pixels) = gpu.read_as::<u8>(&pixels)?;
    let (mean, _mean) = gpu.read_as::<f32>(&mean)?;
    let (shift, _shift) = gpu.read_as::<f32>(&shift)?;
    gpu.produce(storage, shape, |y| {
        gpu.run(&launch::input(storage, [pixels, mean, shift, y], h * w * c, scale)?)
    })
}

/// [`input`] with the mean (H', W', 3) of whole images and a window for each crop.
pub(super) fn input_aligned(
    storage: Storage,
    [pixels, mean, shift]: [Input<'_, CudaStorage>; 3],
    windows: &Windows,
    scale: [f32; 3],
) -> Result<Outputs<CudaStorage>> {
    let ((_, h, w, _), (_, columns, _)) = (pixels.dims4()?, mean.shape().dims3()?);
    let (gpu, shape) = (Gpu::of(pixels.storage), pixels.shape());
    let (words, words_l) = windows.on_gpu()?.storage_and_layout();
    let candle_core::Storage::Cuda(words) = &*words else {
        bail!("input: the windows are not on the GPU")
    };
    let windows = Input { op: "input", storage: words, layout: words_l };
    let (windows, _windows) = gpu.read_as::<u32>(&windows)?;
    let (pixels, _pixels) = gpu.read_as::<u8>(&pixels)?;
    let (mean, _mean) = gpu.read_as::<f32>(&mean)?;
    let (shift, _shift) = gpu.read_as::<f32>(&shift)?;
    gpu.produce(storage, shape, |y| {
        let spans = [pixels, mean, windows, shift, y];
        gpu.run(&launch::input_aligned(storage, spans, (h, w), columns, scale)?)
    })
}
