//! The update on GPUs.

use candle_core::{CudaStorage, Result};
use half::bf16;

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
    let gradient = gpu.read(gradient)?;
    let (state, _until) = gpu.read_as::<f32>(state)?;
    let copy = copy.map(|copy| gpu.read_as::<bf16>(copy)).transpose()?;
    let copy = copy.as_ref().map(|(span, _until)| *span);
    match launch::sgd(gradient.storage, state, gradient.span, copy, rule)? {
        Some(launch) => gpu.run(&launch),
        None => Ok(()),
    }
}
