//! The gradient of a bias on GPUs.

use candle_core::{CudaStorage, DType, Result, Shape};

use super::launch::ColumnSums;
use crate::cuda::gpu::{Gpu, Reading};

/// The sums of the columns of `x`, which has so many parts of rows of `channels`, one after
/// another: (parts · channels) f32.
pub(crate) fn column_sums(
    gpu: &Gpu,
    x: &Reading,
    channels: usize,
    parts: usize,
) -> Result<(CudaStorage, Shape)> {
    let sums = gpu.uninit(DType::F32, parts * channels)?;
    for number in 0..parts {
        let part = x.span.part(number, parts, x.storage.bytes());
        let rows = part.length as usize / channels;
        let plan = ColumnSums::new(x.storage, part, (rows, channels))?;
        let scratch = match plan.scratch() {
            0 => None,
            floats => Some(gpu.uninit(DType::F32, floats)?),
        };
        let scratch = scratch.as_ref().map_or_else(Default::default, |scratch| scratch.span);
        let sums = sums.span.part(number, parts, size_of::<f32>());
        plan.launches(part, scratch, sums)?.iter().try_for_each(|launch| gpu.run(launch))?;
    }
    Ok(sums.output())
}
