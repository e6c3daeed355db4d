//! The update on GPUs.

use candle_core::{CudaStorage, DType, Result};

use super::launch;
use super::rule::Sgd;
use crate::cuda::gpu::Gpu;
use crate::op::Input;

/// Updates `state` (2, n) f32 by `gradient` (n), f32 or bf16; `copy` (n), bf16, gets the new
/// weights. candle gives us `state` and `copy` to read; we may write them because nothing else in
/// the stream runs at the same time.
pub(super) fn sgd(
    rule: Sgd,
    state: &Input<'_, CudaStorage>,
    gradient: &Input<'_, CudaStorage>,
    copy: Option<&Input<'_, CudaStorage>>,
) -> Result<()> {
    let gpu = Gpu::of(state.storage);
    let (gradient, state) = (gpu.read(gradient)?, gpu.read_as(DType::F32, state)?);
    let copy = copy.map(|copy| gpu.read_as(DType::BF16, copy)).transpose()?;
    let launch = launch::sgd(gradient.storage, state, gradient.span, copy, rule)?;
    launch.iter().try_for_each(|launch| gpu.run(launch))
}
