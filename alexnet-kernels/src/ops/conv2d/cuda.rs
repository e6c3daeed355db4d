//! Convolution on GPUs: cuDNN's passes, the bias and the ReLU, and padding where cuDNN cannot pad.
//!
//! cuDNN pads opposite sides alike. A convolution with other padding runs over a copy of the input
//! that has its padding already.

use candle_core::{DType, Result};

use super::config::Padding;
use super::cudnn::{Pass, convolve};
use super::geometry::Geometry;
use super::launch;
use crate::cuda::gpu::{Gpu, Reading, Uninit, same};
use crate::cuda::launch::{MapSize, Span, Storage};
use crate::op;
use crate::ops::activation::launch::zero_where_not_positive;
use crate::ops::bias::cuda::column_sums;
use crate::ops::bias::launch::add_bias;
use crate::ops::fusion::Epilogue;

/// `x` (B, H, W, C) and `w` (O, kH, kW, C/groups), both f32 or both bf16, and `bias` (O) f32 to `y`
/// (B, H', W', O) with its epilogue.
pub(super) fn forward(
    g: &Geometry,
    [x, w, bias]: op::CudaInputs<'_, 3>,
    epilogue: Epilogue,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(x.storage);
    let (x, w, bias) = (gpu.read(&x)?, gpu.read(&w)?, gpu.read_as(DType::F32, &bias)?);
    let storage = same("the weights", x.storage, w.storage)?;
    let (over, padded) = padded_input(&gpu, g, &x)?;
    let input = padded.as_ref().map_or(x.span, |padded| padded.span);
    gpu.produce(storage, g.output_shape(), |y| {
        convolve(&gpu, &over, storage, Pass::Forward, [input, w.span, y])?;
        gpu.run(&add_bias(storage, y, bias, epilogue == Epilogue::Relu)?)
    })
}

/// `dy` (B, H', W', O) and `w` to `dx` (B, H, W, C); through a ReLU, 0 where `x` is not above 0.
pub(super) fn input_grad(
    g: &Geometry,
    [dy, w, x]: op::CudaInputs<'_, 3>,
    through_relu: bool,
) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(dy.storage);
    let (dy, w, x) = (gpu.read(&dy)?, gpu.read(&w)?, gpu.read(&x)?);
    let storage = same("the weights", dy.storage, w.storage)?;
    gpu.produce(storage, g.input_shape(), |dx| {
        if let Some(over) = over_padded_input(g) {
            let padded = gpu.uninit(storage, over.input_shape())?;
            let spans = [w.span, dy.span, padded.span];
            convolve(&gpu, &over, storage, Pass::Data, spans)?;
            pad(&gpu, storage, [padded.span, dx], [&over, g], g.padding, -1)?;
        } else {
            convolve(&gpu, g, storage, Pass::Data, [w.span, dy.span, dx])?;
        }
        if through_relu {
            same("the input", storage, x.storage)?;
            gpu.run(&zero_where_not_positive(storage, x.span, dx)?)?;
        }
        Ok(())
    })
}

/// `x` and `dy` to `dw` (O, kH, kW, C/groups), stored as they are, and `db` (O), f32.
pub(super) fn weight_grad(g: &Geometry, [x, dy]: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
    let gpu = Gpu::of(x.storage);
    let (x, dy) = (gpu.read(&x)?, gpu.read(&dy)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let (over, padded) = padded_input(&gpu, g, &x)?;
    let input = padded.as_ref().map_or(x.span, |padded| padded.span);
    let dw = gpu.produce(storage, g.weight_shape(), |dw| {
        convolve(&gpu, &over, storage, Pass::Filter, [input, dy.span, dw])
    })?;
    Ok(dw.and(column_sums(&gpu, &dy, g.out_channels)?))
}

/// What cuDNN convolves, and the padded copy of the input if it needs one.
fn padded_input(gpu: &Gpu, g: &Geometry, x: &Reading) -> Result<(Geometry, Option<Uninit>)> {
    let Some(over) = over_padded_input(g) else { return Ok((*g, None)) };
    let padded = gpu.uninit(x.storage, over.input_shape())?;
    pad(gpu, x.storage, [x.span, padded.span], [g, &over], g.padding, 1)?;
    Ok((over, Some(padded)))
}

/// Copies the inputs of one convolution to where those of the other are: with `sign` 1 pads them,
/// with −1 cuts the padding off.
fn pad(
    gpu: &Gpu,
    storage: Storage,
    spans: [Span; 2],
    from_to: [&Geometry; 2],
    padding: Padding,
    sign: i32,
) -> Result<()> {
    let map = |g: &Geometry| MapSize { height: g.input.0, width: g.input.1, channels: g.channels };
    let offsets = [padding.top, padding.left].map(|pixels| sign * pixels as i32);
    gpu.run(&launch::pad(storage, spans, from_to[0].batch, from_to.map(map), offsets)?)
}

/// The same convolution over an input that has its padding already; `None` where cuDNN can pad.
fn over_padded_input(g: &Geometry) -> Option<Geometry> {
    let Padding { top, bottom, left, right } = g.padding;
    let input = (g.input.0 + top + bottom, g.input.1 + left + right);
    let over = Geometry { input, padding: Padding::same(0), ..*g };
    (top != bottom || left != right).then_some(over)
}
