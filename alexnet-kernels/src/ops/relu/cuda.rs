//! ReLU on GPUs.

use candle_core::{CudaStorage, Layout, Result};

use super::launch;
use crate::cuda::gpu::{Gpu, same};

/// `x → max(x, 0)`.
pub(crate) fn relu(x: &CudaStorage, l: &Layout) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let x = gpu.read("relu", x, l)?;
    gpu.produce(x.storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::relu(x.storage, [x.span, y])?])
    })
}

/// `(y, dy) → dy · factor` where `y` is above 0, else 0.
pub(crate) fn relu_backward(
    (y, y_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
    factor: f32,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(y);
    let (y, dy) = (gpu.read("relu", y, y_l)?, gpu.read("relu", dy, dy_l)?);
    same("the gradient", y.storage, dy.storage)?;
    gpu.produce(y.storage, y_l.shape().elem_count(), |dx| {
        Ok(vec![launch::relu_backward(y.storage, [y.span, dy.span, dx], factor)?])
    })
}
