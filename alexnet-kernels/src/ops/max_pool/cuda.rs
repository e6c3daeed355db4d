//! Max-pooling on GPUs.

use candle_core::{CudaStorage, Result};

use super::launch::{self, PoolSize};
use crate::cuda::gpu::Gpu;
use crate::op::{self, Input};

/// `x` to `y` and its argmax. With `relu`, a maximum of 0 or less becomes 0 and passes no gradient
/// on.
pub(super) fn max_pool(
    size: &PoolSize,
    x: &Input<'_, CudaStorage>,
    relu: bool,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(x.storage);
    let (x, shape) = (gpu.read(x)?, size.output_shape());
    let argmax = gpu.uninit(size.argmax_dtype(), shape.clone())?;
    let y = gpu.produce(x.storage, shape, |y| {
        gpu.run(&launch::max_pool(x.storage, size, [x.span, y, argmax.span], relu)?)
    })?;
    Ok(y.and(argmax.output()))
}

/// `(argmax, dy) → dx`.
pub(super) fn max_pool_backward(
    size: &PoolSize,
    [argmax, dy]: op::CudaInputs<'_, 2>,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(dy.storage);
    let (argmax, dy) = (gpu.read_as(size.argmax_dtype(), &argmax)?, gpu.read(&dy)?);
    gpu.produce(dy.storage, size.input_shape(), |dx| {
        gpu.run(&launch::max_pool_backward(dy.storage, size, [argmax, dy.span, dx])?)
    })
}
