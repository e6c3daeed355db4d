//! The first layer on GPUs.

use candle_core::{CudaStorage, Layout, Result, Tensor, bail};

use super::launch;
use crate::cuda::gpu::Gpu;
use crate::cuda::launch::Storage;

/// Pixels (B, H, W, 3), a mean and shifts to activations, stored as `storage` says.
pub(crate) fn input(
    storage: Storage,
    (pixels, l): (&CudaStorage, &Layout),
    (mean, mean_l): (&CudaStorage, &Layout),
    (shift, shift_l): (&CudaStorage, &Layout),
    scale: [f32; 3],
) -> Result<CudaStorage> {
    let (_, h, w, c) = l.shape().dims4()?;
    let gpu = Gpu::of(pixels);
    let (pixels, _pixels) = gpu.read_as::<u8>("input", pixels, l)?;
    let (mean, _mean) = gpu.read_as::<f32>("input", mean, mean_l)?;
    let (shift, _shift) = gpu.read_as::<f32>("input", shift, shift_l)?;
    gpu.produce(storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::input(storage, [pixels, mean, shift, y], h * w * c, scale)?])
    })
}

/// The same with the mean (H', W', 3) of whole images and a window for each crop, as (B, 3) u32.
pub(crate) fn input_aligned(
    storage: Storage,
    (pixels, l): (&CudaStorage, &Layout),
    (mean, mean_l): (&CudaStorage, &Layout),
    (shift, shift_l): (&CudaStorage, &Layout),
    windows: &Tensor,
    scale: [f32; 3],
) -> Result<CudaStorage> {
    let ((_, h, w, _), (_, columns, _)) = (l.shape().dims4()?, mean_l.shape().dims3()?);
    let gpu = Gpu::of(pixels);
    let (windows, windows_l) = windows.storage_and_layout();
    let candle_core::Storage::Cuda(windows) = &*windows else {
        bail!("input: the windows are not on the card")
    };
    let (windows, _windows) = gpu.read_as::<u32>("input", windows, windows_l)?;
    let (pixels, _pixels) = gpu.read_as::<u8>("input", pixels, l)?;
    let (mean, _mean) = gpu.read_as::<f32>("input", mean, mean_l)?;
    let (shift, _shift) = gpu.read_as::<f32>("input", shift, shift_l)?;
    gpu.produce(storage, l.shape().elem_count(), |y| {
        let spans = [pixels, mean, windows, shift, y];
        Ok(vec![launch::input_aligned(storage, spans, (h, w), columns, scale)?])
    })
}
