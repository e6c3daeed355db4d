//! Dropout on GPUs.

use candle_core::{CudaStorage, Result};

use super::key::DropoutKey;
use super::launch;
use super::slice::Rows;
use crate::cuda::gpu::Gpu;
use crate::op::{Input, Outputs};

/// `x → factor · x`.
pub(super) fn scaled(x: &Input<'_, CudaStorage>, factor: f32) -> Result<Outputs<CudaStorage>> {
    let (gpu, shape) = (Gpu::of(x.storage), x.shape());
    let x = gpu.read(x)?;
    gpu.produce(x.storage, shape, |y| Ok(vec![launch::scaled(x.storage, [x.span, y], factor)?]))
}

/// Dropout in training; see [`launch::dropout`].
pub(super) fn dropout(
    x: &Input<'_, CudaStorage>,
    rows: Rows,
    key: DropoutKey,
    constants: (f32, f32),
) -> Result<Outputs<CudaStorage>> {
    let maps = match *x.shape().dims() {
        [_, h, w, c] => Some([h * w, c]),
        _ => None,
    };
    let (gpu, shape) = (Gpu::of(x.storage), x.shape());
    let x = gpu.read(x)?;
    gpu.produce(x.storage, shape, |y| {
        Ok(vec![launch::dropout(x.storage, [x.span, y], (maps, rows), key, constants)?])
    })
}
