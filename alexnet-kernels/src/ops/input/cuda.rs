//! The input layer on GPUs.

use candle_core::{DType, Result, bail};

use super::Input;
use super::launch::{self, InputSizes};
use super::window::Windows;
use crate::cuda::gpu::Gpu;
use crate::cuda::launch::Storage;
use crate::op;

/// Pixels (B, H, W, 3), a mean and shifts to activations; with windows the mean is that of whole
/// images.
pub(super) fn input(
    Input { scale, output, blocks }: Input,
    windows: Option<&Windows>,
    [pixels, mean, shift]: op::CudaInputs<'_, 3>,
) -> Result<op::CudaOutputs> {
    let (batch, h, w, channels) = pixels.shape().dims4()?;
    let sizes = InputSizes { size: (h, w), blocks };
    let shape = blocks.map_or((batch, h, w, channels), |blocks| {
        let [_, depth, rows, columns] = blocks.shape(batch, channels);
        (batch, rows, columns, depth)
    });
    let (gpu, storage) = (Gpu::of(pixels.storage), Storage::of(output)?);
    let of_mean = mean.shape();
    let [mean, shift] = [gpu.read_as(DType::F32, &mean)?, gpu.read_as(DType::F32, &shift)?];
    let pixels = gpu.read_as(DType::U8, &pixels)?;
    let Some(windows) = windows else {
        return gpu.produce(storage, shape, |y| {
            gpu.run(&launch::input(storage, [pixels, mean, shift, y], sizes, scale)?)
        });
    };
    let Some(words) = &windows.on_gpu else { bail!("input: the windows are not on the GPU") };
    let (words, layout) = words.storage_and_layout();
    let candle_core::Storage::Cuda(words) = &*words else { bail!("input: windows on the CPU") };
    let windows = gpu.read_as(DType::U32, &op::Input { op: "input", storage: words, layout })?;
    let (_, columns, _) = of_mean.dims3()?;
    gpu.produce(storage, shape, |y| {
        let spans = [pixels, mean, windows, shift, y];
        gpu.run(&launch::input_aligned(storage, spans, sizes, columns, scale)?)
    })
}
