//! Maps of towers from together to apart, with the rest of a convolution, and back.
//!
//! ```text
//! apart:     y[t·B + b, c, h, w] = z[b, t·C/T + c, h, w] + bias[t·C/T + c], then max(y, 0)
//! together:  x[b, t·C/T + c, h, w] = y[t·B + b, c, h, w]
//! ```
//!
//! A convolution over all channels whose output convolutions in groups read writes it so
//! ([`Conv2d::output_apart`](crate::Conv2d::output_apart)).
//!
//! Shapes: `z` and `x` are `(B, C, H, W)`, `y` is `(T·B, C/T, H, W)`; f32, on GPUs also bf16; the
//! bias `(C)` f32. There is no gradient of its own: that of one is the other.
//! Errors: ranks or dtypes that do not fit, towers that do not divide channels or maps.

pub(crate) mod launch;

use candle_core::{CpuStorage, Result, Tensor, bail};

use crate::check::dims;
use crate::layout::{nchw, nhwc};
use crate::op::{self, Apply, Op};
use crate::ops::activation::function::relu;
use crate::ops::fusion::Epilogue;
use crate::ops::max_pool::towers::Towers;

/// `z` `(B, C, H, W)` with bias `(C)` and epilogue, its towers apart: `(T·B, C/T, H, W)`.
pub(crate) fn apart(
    z: &Tensor,
    bias: &Tensor,
    epilogue: Epilogue,
    towers: usize,
) -> Result<Tensor> {
    let [_, channels, ..] = dims::<4>("towers apart", "the input", z)?;
    if towers == 0 || !channels.is_multiple_of(towers) {
        bail!("towers apart: {channels} channels do not divide into {towers} towers")
    }
    nchw(&Apart { towers, epilogue }.run_one([&nhwc(z)?, &bias.contiguous()?])?)
}

/// `y` `(T·B, C/T, H, W)`, its towers together: `(B, C, H, W)`.
pub(crate) fn together(y: &Tensor, towers: usize) -> Result<Tensor> {
    let [batch, ..] = dims::<4>("towers together", "the input", y)?;
    if towers == 0 || !batch.is_multiple_of(towers) {
        bail!("towers together: {batch} maps are not those of {towers} towers")
    }
    nchw(&Together { towers }.run_one([&nhwc(y)?])?)
}

/// How maps lie that go from together to apart.
fn to_apart(count: usize) -> Towers {
    Towers { count, input_apart: false, output_apart: true }
}

/// `(z (B, H, W, C), bias (C)) → y (T·B, H, W, C/T)`.
struct Apart {
    towers: usize,
    epilogue: Epilogue,
}

impl Op<2> for Apart {
    const NAME: &'static str = "towers apart";

    fn cpu(&self, [z, bias]: op::CpuInputs<'_, 2>) -> Result<op::CpuOutputs> {
        let ((b, h, w, c), bias) = (z.shape().dims4()?, bias.values::<f32>()?);
        let finish = |(z, bias): (&f32, &f32)| match self.epilogue {
            Epilogue::None => z + bias,
            Epilogue::Relu => relu(z + bias),
        };
        let values = z.values::<f32>()?.iter().zip(bias.iter().cycle()).map(finish).collect();
        let values = to_apart(self.towers).to_output(c, values);
        let shape = (self.towers * b, h, w, c / self.towers).into();
        Ok((CpuStorage::F32(values), shape).into())
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [z, bias]: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
        use crate::cuda::gpu::Gpu;
        let (gpu, (b, h, w, c)) = (Gpu::of(z.storage), z.shape().dims4()?);
        let bias = gpu.read_as(candle_core::DType::F32, &bias)?;
        let z = gpu.read(&z)?;
        let towers = self.towers;
        gpu.produce(z.storage, (towers * b, h, w, c / towers), |y| {
            let relu = self.epilogue == Epilogue::Relu;
            gpu.run(&launch::towers_apart(z.storage, towers, [z.span, bias, y], relu)?)
        })
    }
}

/// `y (T·B, H, W, C/T) → x (B, H, W, C)`.
struct Together {
    towers: usize,
}

impl Op<1> for Together {
    const NAME: &'static str = "towers together";

    fn cpu(&self, [y]: op::CpuInputs<'_, 1>) -> Result<op::CpuOutputs> {
        let (b, h, w, c) = y.shape().dims4()?;
        let channels = self.towers * c;
        let values = to_apart(self.towers).to_input(channels, y.values::<f32>()?);
        Ok((CpuStorage::F32(values), (b / self.towers, h, w, channels).into()).into())
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [y]: op::CudaInputs<'_, 1>) -> Result<op::CudaOutputs> {
        use crate::cuda::gpu::Gpu;
        let (gpu, (b, h, w, c)) = (Gpu::of(y.storage), y.shape().dims4()?);
        let (y, towers) = (gpu.read(&y)?, self.towers);
        gpu.produce(y.storage, (b / towers, h, w, towers * c), |x| {
            gpu.run(&launch::towers_together(y.storage, (towers, c), [y.span, x])?)
        })
    }
}
