//! ReLU on GPUs.

use candle_core::{CudaStorage, Result};

use super::launch;
use crate::cuda::gpu::{Gpu, same};
use crate::op::{Input, Outputs};

/// `x → max(x, 0)`.
pub(super) fn relu(x: &Input<'_, CudaStorage>) -> Result<Outputs<CudaStorage>> {
    let (gpu, shape) = (Gpu::of(x.storage), x.shape());
    let x = gpu.read(x)?;
    gpu.produce(x.storage, shape, |y| Ok(vec![launch::relu(x.storage, [x.span, y])?]))
}

/// `(y, dy) → scale · dy` where `y` is above 0, else 0.
pub(super) fn relu_backward(
    y: &Input<'_, CudaStorage>,
    dy: &Input<'_, CudaStorage>,
    scale: f32,
) -> Result<Outputs<CudaStorage>> {
    let (gpu, shape) = (Gpu::of(y.storage), y.shape());
    let (y, dy) = (gpu.read(y)?, gpu.read(dy)?);
    same("the gradient", y.storage, dy.storage)?;
    gpu.produce(y.storage, shape, |dx| {
        Ok(vec![launch::relu_backward(y.storage, [y.span, dy.span, dx], scale)?])
    })
}
