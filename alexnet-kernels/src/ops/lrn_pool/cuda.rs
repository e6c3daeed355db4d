//! LRN and max-pooling in one pass on GPUs.

use candle_core::{CudaStorage, Result};

use super::{Backward, Forward, launch};
use crate::cuda::gpu::{Gpu, same};
use crate::op::{self, Input};

/// `x` to `y` and its argmax; `None` where there is no kernel for it.
pub(super) fn lrn_pool(
    Forward { lrn, pool }: &Forward,
    x: &Input<'_, CudaStorage>,
) -> Result<Option<op::CudaOutputs>> {
    let (gpu, size) = (Gpu::of(x.storage), &pool.size);
    let (x, shape) = (gpu.read(x)?, size.output_shape());
    let y = gpu.uninit(x.storage, shape.clone())?;
    let argmax = gpu.uninit(size.argmax_dtype(), shape)?;
    let lrn = lrn.norm.constants(size.as_input().channels);
    let spans = [x.span, y.span, argmax.span];
    let Some(launch) = launch::lrn_pool(x.storage, &lrn, size, spans, pool.how.through_relu)?
    else {
        return Ok(None);
    };
    gpu.run(&launch)?;
    Ok(Some(op::CudaOutputs::from(y.output()).and(argmax.output())))
}

/// `(x, argmax, dy) → dx`; `None` where there is no kernel for it.
pub(super) fn lrn_pool_backward(
    Backward { pool, lrn }: &Backward,
    [x, argmax, dy]: [&Input<'_, CudaStorage>; 3],
) -> Result<Option<op::CudaOutputs>> {
    let (gpu, size) = (Gpu::of(x.storage), &pool.size);
    let argmax = gpu.read_as(size.argmax_dtype(), argmax)?;
    let (x, dy) = (gpu.read(x)?, gpu.read(dy)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let dx = gpu.uninit(storage, size.input_shape())?;
    let (constants, spans) =
        (lrn.norm.constants(size.as_input().channels), [x.span, argmax, dy.span, dx.span]);
    let launch = launch::lrn_pool_backward(storage, &constants, size, spans, lrn.through_relu)?;
    let Some(launch) = launch else { return Ok(None) };
    gpu.run(&launch)?;
    Ok(Some(dx.output().into()))
}
