//! Dropout on GPUs.

use candle_core::{CudaStorage, Layout, Result};

use super::{DropoutKey, Rows, launch};
use crate::cuda::gpu::Gpu;

/// `x → factor · x`.
pub(crate) fn scaled(x: &CudaStorage, l: &Layout, factor: f32) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let x = gpu.read("dropout", x, l)?;
    gpu.produce(x.storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::scaled(x.storage, [x.span, y], factor)?])
    })
}

/// Dropout in training; see [`launch::dropout`].
pub(crate) fn dropout(
    x: &CudaStorage,
    l: &Layout,
    (maps, rows): (Option<[usize; 2]>, Rows),
    key: DropoutKey,
    constants: (f32, f32),
) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let x = gpu.read("dropout", x, l)?;
    gpu.produce(x.storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::dropout(x.storage, [x.span, y], (maps, rows), key, constants)?])
    })
}
