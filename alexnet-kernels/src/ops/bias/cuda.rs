//! The gradient of a bias on GPUs.

use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape};

use super::launch::ColumnSums;
use crate::cuda::gpu::{Gpu, not_here};
use crate::cuda::launch::{Span, Storage};

/// The sums of the columns of `x`, rows of `channels`: (channels) f32.
pub(crate) fn column_sums(x: &CudaStorage, l: &Layout, channels: usize) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let x = gpu.read("bias gradient", x, l)?;
    let rows = l.shape().elem_count() / channels;
    let plan = ColumnSums::new(x.storage, x.span, (rows, channels))?;
    let scratch = plan.scratch();
    let mut parts = if scratch > 0 { Some(gpu.fresh_as::<f32>(scratch)?) } else { None };
    let parts = parts.as_mut().map(|parts| gpu.write(parts));
    let nothing = Span { address: 0, length: 0 };
    let parts_span = parts.as_ref().map_or(nothing, |parts| parts.span);
    gpu.produce(Storage::F32, channels, |sums| plan.launches(x.span, parts_span, sums))
}

/// The sums of columns of this many channels.
pub(crate) struct Bias(pub(crate) usize);

impl CustomOp1 for Bias {
    fn name(&self) -> &'static str {
        "bias-gradient"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        not_here(self.name())
    }

    fn cuda_fwd(&self, dy: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((column_sums(dy, l, self.0)?, Shape::from(self.0)))
    }
}
