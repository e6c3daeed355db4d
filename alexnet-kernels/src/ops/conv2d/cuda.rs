//! Convolution on GPUs: cuDNN's passes, the bias and the ReLU, and padding where cuDNN cannot pad.
//!
//! cuDNN pads opposite sides alike. A convolution with other padding runs over a copy of the input
//! that has its padding already.

use candle_core::{CudaStorage, Result, Shape};

use super::config::Padding;
use super::cudnn::{Pass, convolve};
use super::geometry::Geometry;
use super::launch;
use crate::cuda::cudnn::ConvSize;
use crate::cuda::gpu::{Gpu, Uninit, same};
use crate::cuda::launch::{MapSize, Span, Storage};
use crate::op::{Input, Outputs};
use crate::ops::activation::function::Activation;
use crate::ops::activation::launch::activation_backward;
use crate::ops::bias::cuda::column_sums;
use crate::ops::bias::launch::add_bias;
use crate::ops::fusion::Epilogue;

/// `x` (B, H, W, C) and `w` (O, kH, kW, C/groups), both f32 or both bf16, and `bias` (O) f32 to `y`
/// (B, H', W', O) with its epilogue.
pub(super) fn forward(
    g: &Geometry,
    [x, w, bias]: [Input<'_, CudaStorage>; 3],
    epilogue: Epilogue,
) -> Result<Outputs<CudaStorage>> {
    let gpu = Gpu::of(x.storage);
    let (x, w) = (gpu.read(&x)?, gpu.read(&w)?);
    let (bias, _until) = gpu.read_as::<f32>(&bias)?;
    let storage = same("the weights", x.storage, w.storage)?;
    let (size, mut padded) = padded_input(&gpu, g, storage, x.span)?;
    let mut y = gpu.uninit(storage, g.output_shape().elem_count())?;
    {
        let (input, y) = (padded.as_mut().map(|p| p.writing(&gpu)), y.writing(&gpu));
        let input = input.as_ref().map_or(x.span, |input| input.span);
        convolve(&gpu, size, storage, Pass::Forward, [input, w.span, y.span])?;
        gpu.run(&add_bias(storage, y.span, bias, epilogue == Epilogue::Relu)?)?;
    }
    Ok((y.finish(&gpu), g.output_shape()).into())
}

/// `dy` (B, H', W', O) and `w` to `dx` (B, H, W, C); through a ReLU, 0 where `x` is not above 0.
pub(super) fn input_grad(
    g: &Geometry,
    [dy, w, x]: [Input<'_, CudaStorage>; 3],
    through_relu: bool,
) -> Result<Outputs<CudaStorage>> {
    let gpu = Gpu::of(dy.storage);
    let (w, dy) = (gpu.read(&w)?, gpu.read(&dy)?);
    let storage = same("the weights", dy.storage, w.storage)?;
    let mut dx = gpu.uninit(storage, g.input_shape().elem_count())?;
    {
        let dx = dx.writing(&gpu);
        if let Some(over) = over_padded_input(g) {
            let mut padded = gpu.uninit(storage, over.input_shape().elem_count())?;
            let padded = padded.writing(&gpu);
            let spans = [w.span, dy.span, padded.span];
            convolve(&gpu, conv_size(&over), storage, Pass::Data, spans)?;
            let offsets = [-(g.padding.top as i32), -(g.padding.left as i32)];
            let (maps, spans) = ([map(&over), map(g)], [padded.span, dx.span]);
            gpu.run(&launch::pad(storage, spans, g.batch, maps, offsets)?)?;
        } else {
            convolve(&gpu, conv_size(g), storage, Pass::Data, [w.span, dy.span, dx.span])?;
        }
        if through_relu {
            let x = gpu.read(&x)?;
            same("the input", storage, x.storage)?;
            gpu.run(&activation_backward(
                Activation::Relu,
                storage,
                [x.span, dx.span, dx.span],
                1.0,
            )?)?;
        }
    }
    Ok((dx.finish(&gpu), g.input_shape()).into())
}

/// `x` and `dy` to `dw` (O, kH, kW, C/groups), stored as they are, and `db` (O), f32.
pub(super) fn weight_grad(
    g: &Geometry,
    [x, dy]: [Input<'_, CudaStorage>; 2],
) -> Result<Outputs<CudaStorage>> {
    let gpu = Gpu::of(x.storage);
    let (x, dy) = (gpu.read(&x)?, gpu.read(&dy)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let (size, mut padded) = padded_input(&gpu, g, storage, x.span)?;
    let mut dw = gpu.uninit(storage, g.weight_shape().elem_count())?;
    {
        let (input, dw) = (padded.as_mut().map(|p| p.writing(&gpu)), dw.writing(&gpu));
        let input = input.as_ref().map_or(x.span, |input| input.span);
        convolve(&gpu, size, storage, Pass::Filter, [input, dy.span, dw.span])?;
    }
    let db: (CudaStorage, Shape) = column_sums(&gpu, &dy, g.out_channels)?;
    Ok(Outputs::from((dw.finish(&gpu), g.weight_shape())).and(db))
}

/// What cuDNN convolves, and the padded copy of the input if it needs one.
fn padded_input(
    gpu: &Gpu,
    g: &Geometry,
    storage: Storage,
    x: Span,
) -> Result<(ConvSize, Option<Uninit>)> {
    let Some(over) = over_padded_input(g) else { return Ok((conv_size(g), None)) };
    let mut padded = gpu.uninit(storage, over.input_shape().elem_count())?;
    {
        let padded = padded.writing(gpu);
        let offsets = [g.padding.top as i32, g.padding.left as i32];
        let maps = [map(g), map(&over)];
        gpu.run(&launch::pad(storage, [x, padded.span], g.batch, maps, offsets)?)?;
    }
    Ok((conv_size(&over), Some(padded)))
}

/// The same convolution over an input that has its padding already; `None` where cuDNN can pad.
fn over_padded_input(g: &Geometry) -> Option<Geometry> {
    let Padding { top, bottom, left, right } = g.padding;
    let input = (g.input.0 + top + bottom, g.input.1 + left + right);
    let over = Geometry { input, padding: Padding::same(0), ..*g };
    (top != bottom || left != right).then_some(over)
}

fn map(g: &Geometry) -> MapSize {
    MapSize { height: g.input.0, width: g.input.1, channels: g.channels }
}

fn conv_size(g: &Geometry) -> ConvSize {
    ConvSize {
        x: [g.batch, g.channels, g.input.0, g.input.1],
        w: [g.out_channels, g.group_channels(), g.kernel.0, g.kernel.1],
        y: [g.batch, g.out_channels, g.output.0, g.output.1],
        padding: [g.padding.top, g.padding.left],
        stride: g.stride,
        groups: g.groups,
    }
}
