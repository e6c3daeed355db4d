//! The gradient of a bias on GPUs.

use candle_core::{CudaStorage, Result, Shape};

use super::launch::ColumnSums;
use crate::cuda::gpu::{Gpu, Reading};
use crate::cuda::launch::{Span, Storage};

/// The sums of the columns of `x`, rows of `channels`: (channels) f32.
pub(crate) fn column_sums(
    gpu: &Gpu,
    x: &Reading<'_>,
    channels: usize,
) -> Result<(CudaStorage, Shape)> {
    let rows = x.span.length as usize / channels;
    let plan = ColumnSums::new(x.storage, x.span, (rows, channels))?;
    let scratch = plan.scratch();
    let mut parts = if scratch > 0 { Some(gpu.uninit_as::<f32>(scratch)?) } else { None };
    let parts = parts.as_mut().map(|parts| gpu.write(parts));
    let nothing = Span { address: 0, length: 0 };
    let parts = parts.as_ref().map_or(nothing, |parts| parts.span);
    let mut sums = gpu.uninit(Storage::F32, channels)?;
    {
        let sums = sums.writing(gpu);
        let launches = plan.launches(x.span, parts, sums.span)?;
        launches.iter().try_for_each(|launch| gpu.run(launch))?;
    }
    Ok((sums.finish(gpu), Shape::from(channels)))
}
