//! LRN and max-pooling in one pass on GPUs.

use candle_core::{CudaStorage, DType, Result};

use super::launch::{self, LrnPoolBackward};
use super::{Backward, Forward};
use crate::cuda::gpu::{Gpu, Reading, same};
use crate::cuda::launch::{Span, Storage};
use crate::op::{self, Input};
use crate::ops::bias::cuda::column_sums;

/// `x` to `y` and its argmax; `None` where there is no kernel for it.
pub(super) fn lrn_pool(
    Forward { lrn, pool, rest }: &Forward,
    x: &Input<'_, CudaStorage>,
) -> Result<Option<op::CudaOutputs>> {
    let (gpu, size) = (Gpu::of(x.storage), &pool.size);
    let (x, shape) = (gpu.read(x)?, size.output_shape());
    let y = gpu.uninit(x.storage, shape.clone())?;
    let argmax = gpu.uninit(size.argmax_dtype(), shape)?;
    let lrn = lrn.norm.constants(size.as_input().channels);
    let spans = [x.span, y.span, argmax.span];
    let launch = |rest| launch::lrn_pool(x.storage, &lrn, size, spans, rest, pool.how.through_relu);
    let launch = match rest {
        None => launch(None)?,
        Some(rest) => {
            rest.with_bias(&gpu, |bias| launch(Some(launch::Rest { bias, relu: rest.relu })))?
        }
    };
    let Some(launch) = launch else { return Ok(None) };
    gpu.run(&launch)?;
    Ok(Some(op::CudaOutputs::from(y.output()).and(argmax.output())))
}

/// `(x, argmax, dy) → dx` and, after the rest of a convolution, the gradient of its bias; `None`
/// where there is no kernel for it.
pub(super) fn lrn_pool_backward(
    Backward { pool, lrn, rest }: &Backward,
    [x, argmax, dy]: [&Input<'_, CudaStorage>; 3],
) -> Result<Option<op::CudaOutputs>> {
    let (gpu, size) = (Gpu::of(x.storage), &pool.size);
    let argmax = gpu.read_as(size.argmax_dtype(), argmax)?;
    let (x, dy) = (gpu.read(x)?, gpu.read(dy)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let dx = gpu.uninit(storage, size.input_shape())?;
    let constants = lrn.norm.constants(size.as_input().channels);
    let spans: [Span; 4] = [x.span, argmax, dy.span, dx.span];
    let Some(plan) = LrnPoolBackward::new(storage, &constants, size, spans)? else {
        return Ok(None);
    };
    let Some(rest) = rest else {
        gpu.run(&plan.launch(spans, None, lrn.through_relu)?)?;
        return Ok(Some(dx.output().into()));
    };
    let totals = gpu.uninit(DType::F32, plan.blocks() * size.channels)?;
    rest.with_bias(&gpu, |bias| {
        let rest = launch::Rest { bias, relu: rest.relu };
        gpu.run(&plan.launch(spans, Some((rest, totals.span)), lrn.through_relu)?)
    })?;
    let totals = Reading { span: totals.span, storage: Storage::F32 };
    let sums = column_sums(&gpu, &totals, size.channels, 1)?;
    Ok(Some(op::CudaOutputs::from(dx.output()).and(sums)))
}
