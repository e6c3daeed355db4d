//! Convolution on GPUs: padding that cuDNN does not do, its passes, bias and ReLU.

use candle_core::{CudaStorage, Result, Shape};

use super::cudnn::convolve;
use super::launch;
use crate::cuda::cudnn::{ConvSize, Pass};
use crate::cuda::gpu::{Gpu, Uninit, same};
use crate::cuda::launch::{Span, Storage};
use crate::op::Input;
use crate::ops::bias::cuda::column_sums;
use crate::ops::bias::launch::add_bias;
use crate::ops::fusion::Epilogue;
use crate::ops::relu::launch::relu_backward;

/// `x` (B, H, W, C) and `w` (O, kH, kW, C/groups), both f32 or both bf16, and `bias` (O) f32 to (B, H', W', O) with
/// its epilogue.
pub(super) fn forward(
    size: &ConvSize,
    [x, w, bias]: [Input<'_, CudaStorage>; 3],
    epilogue: Epilogue,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(x.storage);
    let (x, w) = (gpu.read(&x)?, gpu.read(&w)?);
    let (bias, _until) = gpu.read_as::<f32>(&bias)?;
    let storage = same("the weights", x.storage, w.storage)?;
    let (size_over, mut padded) = padded(&gpu, size, storage, x.span)?;
    let mut y = gpu.uninit(storage, size.outputs())?;
    {
        let (input, y) = (padded.as_mut().map(|p| p.writing(&gpu)), y.writing(&gpu));
        let input = input.as_ref().map_or(x.span, |input| input.span);
        convolve(&gpu, &size_over, storage, Pass::Forward, [input, w.span, y.span])?;
        gpu.run(&add_bias(storage, y.span, bias, epilogue == Epilogue::Relu)?)?;
    }
    Ok(y.finish(&gpu))
}

/// `dy` (B, H', W', O) and `w` to the gradient with respect to `x`; through a ReLU, 0 where `x` is not above 0.
pub(super) fn input_grad(
    size: &ConvSize,
    [dy, w, x]: [Input<'_, CudaStorage>; 3],
    through_relu: bool,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(dy.storage);
    let (w, dy) = (gpu.read(&w)?, gpu.read(&dy)?);
    let storage = same("the weights", dy.storage, w.storage)?;
    let mut dx = gpu.uninit(storage, size.inputs())?;
    {
        let dx = dx.writing(&gpu);
        if size.lopsided() {
            let over = size.over_padded();
            let mut whole = gpu.uninit(storage, over.inputs())?;
            let whole = whole.writing(&gpu);
            convolve(&gpu, &over, storage, Pass::Data, [w.span, dy.span, whole.span])?;
            let offsets = [-(size.padding[0] as i32), -(size.padding[1] as i32)];
            let (maps, spans) = ([over.map(), size.map()], [whole.span, dx.span]);
            gpu.run(&launch::pad(storage, spans, size.batch, maps, offsets)?)?;
        } else {
            convolve(&gpu, size, storage, Pass::Data, [w.span, dy.span, dx.span])?;
        }
        if through_relu {
            let x = gpu.read(&x)?;
            same("the input", storage, x.storage)?;
            gpu.run(&relu_backward(storage, [x.span, dx.span, dx.span], 1.0)?)?;
        }
    }
    Ok(dx.finish(&gpu))
}

/// `x` and `dy` to the gradients with respect to `w` (O, kH, kW, C/groups), stored as they are, and the bias (O), f32.
pub(super) fn weight_grad(
    size: &ConvSize,
    x: &Input<'_, CudaStorage>,
    dy: &Input<'_, CudaStorage>,
) -> Result<(CudaStorage, (CudaStorage, Shape))> {
    let gpu = Gpu::of(x.storage);
    let (x, dy) = (gpu.read(x)?, gpu.read(dy)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let (size_over, mut padded) = padded(&gpu, size, storage, x.span)?;
    let mut dw = gpu.uninit(storage, size.weights())?;
    {
        let (input, dw) = (padded.as_mut().map(|p| p.writing(&gpu)), dw.writing(&gpu));
        let input = input.as_ref().map_or(x.span, |input| input.span);
        convolve(&gpu, &size_over, storage, Pass::Filter, [input, dy.span, dw.span])?;
    }
    let db = column_sums(&gpu, &dy, size.out_channels)?;
    Ok((dw.finish(&gpu), db))
}

/// The input with its padding around it, where cuDNN cannot pad it.
fn padded(
    gpu: &Gpu,
    size: &ConvSize,
    storage: Storage,
    x: Span,
) -> Result<(ConvSize, Option<Uninit>)> {
    if !size.lopsided() {
        return Ok((*size, None));
    }
    let over = size.over_padded();
    let mut whole = gpu.uninit(storage, over.inputs())?;
    {
        let whole = whole.writing(gpu);
        let offsets = [size.padding[0] as i32, size.padding[1] as i32];
        let maps = [size.map(), over.map()];
        gpu.run(&launch::pad(storage, [x, whole.span], size.batch, maps, offsets)?)?;
    }
    Ok((over, Some(whole)))
}
