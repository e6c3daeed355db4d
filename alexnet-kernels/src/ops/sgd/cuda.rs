//! The update on GPUs.

use candle_core::{CudaStorage, Layout, Result};
use half::bf16;

use super::{Sgd, launch};
use crate::cuda::gpu::Gpu;

/// Updates `state` (2, n) f32 by `gradient` (n), f32 or bf16; `copy` (n), bf16, gets the new weights, though candle lends
/// it for reading: nothing else in the stream reads it at the same time.
pub(crate) fn sgd(
    rule: Sgd,
    (state, state_l): (&mut CudaStorage, &Layout),
    (gradient, gradient_l): (&CudaStorage, &Layout),
    copy: Option<(&CudaStorage, &Layout)>,
) -> Result<()> {
    let gpu = Gpu::of(state);
    let gradient = gpu.read("sgd", gradient, gradient_l)?;
    let (state, _until) = gpu.read_as::<f32>("sgd", state, state_l)?;
    let copy = copy.map(|(copy, l)| gpu.read_as::<bf16>("sgd", copy, l)).transpose()?;
    let copy = copy.as_ref().map(|(span, _until)| *span);
    match launch::sgd(gradient.storage, state, gradient.span, copy, rule)? {
        Some(launch) => gpu.run(&launch),
        None => Ok(()),
    }
}
