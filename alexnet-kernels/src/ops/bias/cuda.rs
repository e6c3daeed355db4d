//! The gradient of a bias on GPUs.

use candle_core::{CudaStorage, DType, Result, Shape};

use super::launch::ColumnSums;
use crate::cuda::gpu::{Gpu, Reading};

/// The sums of the columns of `x`, rows of `channels`: (channels) f32.
pub(crate) fn column_sums(gpu: &Gpu, x: &Reading, channels: usize) -> Result<(CudaStorage, Shape)> {
    let rows = x.span.length as usize / channels;
    let plan = ColumnSums::new(x.storage, x.span, (rows, channels))?;
    let parts = match plan.scratch() {
        0 => None,
        floats => Some(gpu.uninit(DType::F32, floats)?),
    };
    let sums = gpu.uninit(DType::F32, channels)?;
    let parts = parts.as_ref().map_or_else(Default::default, |parts| parts.span);
    plan.launches(x.span, parts, sums.span)?.iter().try_for_each(|launch| gpu.run(launch))?;
    Ok(sums.output())
}
