//! Local layers on GPUs.

use candle_core::{DType, Result};

use super::launch::{self, LocalSize};
use crate::cuda::gpu::{Gpu, same};
use crate::op;
use crate::ops::bias::cuda::column_sums;

/// `(x, w, bias) → y`.
pub(super) fn forward(
    size: &LocalSize,
    [x, w, bias]: op::CudaInputs<'_, 3>,
    relu: bool,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(x.storage);
    let (x, w, bias) = (gpu.read(&x)?, gpu.read(&w)?, gpu.read_as(DType::F32, &bias)?);
    let storage = same("the weight", x.storage, w.storage)?;
    gpu.produce(storage, size.output_shape(), |y| {
        gpu.run(&launch::local(storage, size, [x.span, w.span, bias, y], relu)?)
    })
}

/// `(dy, w, x) → dx`.
pub(super) fn input_gradient(
    size: &LocalSize,
    [dy, w, x]: op::CudaInputs<'_, 3>,
    through_relu: bool,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(dy.storage);
    let (dy, w, x) = (gpu.read(&dy)?, gpu.read(&w)?, gpu.read(&x)?);
    let storage = same("the weight", dy.storage, w.storage)?;
    same("the input", storage, x.storage)?;
    gpu.produce(storage, size.input_shape(), |dx| {
        let spans = [dy.span, w.span, x.span, dx];
        gpu.run(&launch::local_input_gradient(storage, size, spans, through_relu)?)
    })
}

/// `(x, dy) → dw`, of the same storage, and `dbias`, f32.
pub(super) fn weight_gradient(
    size: &LocalSize,
    [x, dy]: op::CudaInputs<'_, 2>,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(x.storage);
    let (x, dy, weight) = (gpu.read(&x)?, gpu.read(&dy)?, size.weight());
    let storage = same("the gradient", x.storage, dy.storage)?;
    let dw = gpu.produce(storage, weight, |dw| {
        gpu.run(&launch::local_weight_gradient(storage, size, [x.span, dy.span, dw])?)
    })?;
    Ok(dw.and(column_sums(&gpu, &dy, weight.0, 1)?))
}
