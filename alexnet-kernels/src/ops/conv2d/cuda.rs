//! Convolution on GPUs: padding that cuDNN does not do, its passes, bias and ReLU.

use candle_core::{CpuStorage, CudaStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::cudnn::convolve;
use super::launch;
use crate::cuda::cudnn::{ConvSize, Pass};
use crate::cuda::gpu::{Fresh, Gpu, not_here, same};
use crate::cuda::launch::{Span, Storage};
use crate::ops::bias::cuda::Bias;
use crate::ops::bias::launch::add_bias;
use crate::ops::relu::launch::relu_backward;

/// `x` (B, H, W, C) and `w` (O, kH, kW, C/groups), both f32 or both bf16, and `bias` (O) f32 to (B, H', W', O); with
/// `relu` through a ReLU.
pub(crate) fn conv_forward(
    size: &ConvSize,
    (x, x_l): (&CudaStorage, &Layout),
    (w, w_l): (&CudaStorage, &Layout),
    (bias, bias_l): (&CudaStorage, &Layout),
    relu: bool,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let (x, w) = (gpu.read("conv2d", x, x_l)?, gpu.read("conv2d", w, w_l)?);
    let (bias, _until) = gpu.read_as::<f32>("conv2d", bias, bias_l)?;
    let storage = same("the weights", x.storage, w.storage)?;
    let (size_over, mut padded) = padded(&gpu, size, storage, x.span)?;
    let mut y = gpu.fresh(storage, size.outputs())?;
    {
        let (input, y) = (padded.as_mut().map(|p| p.writing(&gpu)), y.writing(&gpu));
        let input = input.as_ref().map_or(x.span, |input| input.span);
        convolve(&gpu, &size_over, storage, Pass::Forward, [input, w.span, y.span])?;
        gpu.run(&add_bias(storage, y.span, bias, relu)?)?;
    }
    Ok(y.finish(&gpu))
}

/// `w` and `dy` (B, H', W', O) to the gradient by `x`; with `rectified`, the input itself, 0 where that is not above 0.
pub(crate) fn conv_backward_data(
    size: &ConvSize,
    (w, w_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
    rectified: Option<(&CudaStorage, &Layout)>,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(dy);
    let (w, dy) = (gpu.read("conv2d", w, w_l)?, gpu.read("conv2d", dy, dy_l)?);
    let storage = same("the weights", dy.storage, w.storage)?;
    let mut dx = gpu.fresh(storage, size.inputs())?;
    {
        let dx = dx.writing(&gpu);
        if size.lopsided() {
            let over = size.over_padded();
            let mut whole = gpu.fresh(storage, over.inputs())?;
            let whole = whole.writing(&gpu);
            convolve(&gpu, &over, storage, Pass::Data, [w.span, dy.span, whole.span])?;
            let offsets = [-(size.padding[0] as i32), -(size.padding[1] as i32)];
            let (maps, spans) = ([over.map(), size.map()], [whole.span, dx.span]);
            gpu.run(&launch::pad(storage, spans, size.batch, maps, offsets)?)?;
        } else {
            convolve(&gpu, size, storage, Pass::Data, [w.span, dy.span, dx.span])?;
        }
        if let Some((x, x_l)) = rectified {
            let x = gpu.read("conv2d", x, x_l)?;
            same("the input", storage, x.storage)?;
            gpu.run(&relu_backward(storage, [x.span, dx.span, dx.span], 1.0)?)?;
        }
    }
    Ok(dx.finish(&gpu))
}

/// `x` and `dy` to the gradient by `w` (O, kH, kW, C/groups), stored as they are.
pub(crate) fn conv_backward_filter(
    size: &ConvSize,
    (x, x_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let (x, dy) = (gpu.read("conv2d", x, x_l)?, gpu.read("conv2d", dy, dy_l)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let (size_over, mut padded) = padded(&gpu, size, storage, x.span)?;
    let mut dw = gpu.fresh(storage, size.weights())?;
    {
        let (input, dw) = (padded.as_mut().map(|p| p.writing(&gpu)), dw.writing(&gpu));
        let input = input.as_ref().map_or(x.span, |input| input.span);
        convolve(&gpu, &size_over, storage, Pass::Filter, [input, dy.span, dw.span])?;
    }
    Ok(dw.finish(&gpu))
}

/// The input with its padding around it, where cuDNN cannot pad it.
fn padded(
    gpu: &Gpu,
    size: &ConvSize,
    storage: Storage,
    x: Span,
) -> Result<(ConvSize, Option<Fresh>)> {
    if !size.lopsided() {
        return Ok((*size, None));
    }
    let over = size.over_padded();
    let mut whole = gpu.fresh(storage, over.inputs())?;
    {
        let whole = whole.writing(gpu);
        let offsets = [size.padding[0] as i32, size.padding[1] as i32];
        let maps = [size.map(), over.map()];
        gpu.run(&launch::pad(storage, [x, whole.span], size.batch, maps, offsets)?)?;
    }
    Ok((over, Some(whole)))
}

/// `x` (B, H, W, C) and `dy` (B, H', W', O) to the gradients by weights (O, kH, kW, C/groups) and bias (O), the latter
/// f32.
pub(crate) fn conv_parameter_gradients(
    size: ConvSize,
    x: &Tensor,
    dy: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let weight = x.apply_op2_no_bwd(dy, &ConvWeight(size))?;
    Ok((weight, dy.apply_op1_no_bwd(&Bias(size.out_channels))?))
}

struct ConvWeight(ConvSize);

impl CustomOp2 for ConvWeight {
    fn name(&self) -> &'static str {
        "conv2d-weight-gradient"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        not_here(self.name())
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_l: &Layout,
        dy: &CudaStorage,
        dy_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let size = &self.0;
        let (kernel_h, kernel_w) = size.kernel;
        let shape = (size.out_channels, kernel_h, kernel_w, size.channels / size.groups);
        Ok((conv_backward_filter(size, (x, x_l), (dy, dy_l))?, Shape::from(shape)))
    }
}
