//! Average pooling with any kernel and stride.
//!
//! ```text
//!  y[h,w] = Σ x[h·stride + i, w·stride + j] / n[h,w]      0 ≤ i, j < kernel, inside the map
//!  n[h,w] = the number of these pixels
//! dx[h,w] = Σ dy / n of the windows that contain (h, w)
//! H' = ⌊(H − kernel) / stride⌋ + 1,  or ⌈ ⌉ with `ceil`
//! ```
//!
//! Shapes: `x`, `dx` are `(B, C, H, W)`; `y`, `dy` are `(B, C, H', W')`; f32.
//! Units: `kernel` and `stride` count pixels.
//! Errors: rank other than 4, dtype other than f32, no elements, kernel or stride 0, kernel larger
//! than the map, `dy` of another shape than `y`.
//! Source: cuda-convnet, the authors' program for CIFAR-10, which pools so after its second and
//! third convolution; a window over the edge is divided by the pixels that it has.
//! Deviations: as in max-pooling, with `ceil` and stride > kernel a last window that would lie
//! outside the map altogether is left out.

mod cpu;
pub(crate) mod launch;
pub(crate) mod reference;

use candle_core::{Module, Result, Tensor};

use self::launch::AvgPoolSize;
use crate::check::{check_shape, dims};
#[cfg(feature = "cuda")]
use crate::cuda::gpu::Gpu;
use crate::layout::{nchw, nhwc};
use crate::op::{self, Apply, Op, produce};
use crate::ops::fusion::InputGrad;
use crate::ops::pooling::Windows;

/// Average pooling; window and stride are the same in both directions.
///
/// ```
/// use alexnet_kernels::AvgPool2d;
/// use candle_core::{Device, Module, Tensor};
///
/// let x = Tensor::arange(0f32, 16.0, &Device::Cpu)?.reshape((1, 1, 4, 4))?;
/// let y = AvgPool2d::new(3, 2).ceil(true).forward(&x)?; // windows of 9, 6, 6 and 4 pixels
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [5.0, 6.5, 11.0, 12.5]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AvgPool2d {
    /// Side of the window, in pixels.
    pub kernel: usize,
    /// Distance between windows, in pixels; larger than `kernel` leaves pixels out.
    pub stride: usize,
    /// Whether a last window may hang over the edge, where it has only the pixels there are.
    pub ceil: bool,
}

impl AvgPool2d {
    /// Windows of `kernel` pixels a side, `stride` pixels apart, none of which hangs over the edge.
    pub const fn new(kernel: usize, stride: usize) -> Self {
        Self { kernel, stride, ceil: false }
    }

    /// Sets whether a last window may hang over the edge.
    pub const fn ceil(self, ceil: bool) -> Self {
        Self { ceil, ..self }
    }

    /// Height and width of the output for a map of `input` height and width.
    ///
    /// # Errors
    ///
    /// Kernel or stride 0, kernel larger than the map.
    pub fn output_size(&self, input: (usize, usize)) -> Result<(usize, usize)> {
        let Self { kernel, stride, ceil } = *self;
        Windows { kernel, stride, ceil }.count("avg-pool", input)
    }

    /// The gradient with respect to the input, given `x` `(B, C, H, W)` and `dy` `(B, C, H', W')`,
    /// the gradient with respect to the output; `None` with [`InputGrad::Skip`].
    ///
    /// # Errors
    ///
    /// Other ranks or dtypes, shapes that do not fit.
    pub fn backward(&self, x: &Tensor, dy: &Tensor, input: InputGrad) -> Result<Option<Tensor>> {
        let size = self.size_for(x)?;
        let (out_h, out_w) = size.output;
        check_shape("avg-pool", "the gradient", dy, &[size.batch, size.channels, out_h, out_w])?;
        if input == InputGrad::Skip {
            return Ok(None);
        }
        let op = Backward { size, through_relu: input.through_relu() };
        Ok(Some(nchw(&op.run_one([&nhwc(dy)?, &nhwc(x)?])?)?))
    }

    /// All sizes for an input `(B, C, H, W)`.
    fn size_for(&self, x: &Tensor) -> Result<AvgPoolSize> {
        let [batch, channels, h, w] = dims("avg-pool", "the input", x)?;
        let (output, Self { kernel, stride, .. }) = (self.output_size((h, w))?, *self);
        Ok(AvgPoolSize { batch, input: (h, w), output, channels, kernel, stride })
    }
}

impl Module for AvgPool2d {
    /// `x` `(B, C, H, W)` to `y` `(B, C, H', W')`; candle can differentiate it.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let op = Forward { size: self.size_for(x)? };
        nchw(&op.apply([&nhwc(x)?])?)
    }
}

/// `x` (B, H, W, C) → `y` (B, H', W', C).
struct Forward {
    size: AvgPoolSize,
}

impl Op<1> for Forward {
    const NAME: &'static str = "avg-pool";

    fn cpu(&self, [x]: op::CpuInputs<'_, 1>) -> Result<op::CpuOutputs> {
        let x = x.values()?;
        produce(self.size.output_shape(), |y| {
            self.size.averages(x, y);
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: op::CudaInputs<'_, 1>) -> Result<op::CudaOutputs> {
        let gpu = Gpu::of(x.storage);
        let x = gpu.read(&x)?;
        gpu.produce(x.storage, self.size.output_shape(), |y| {
            gpu.run(&launch::avg_pool(x.storage, &self.size, [x.span, y])?)
        })
    }

    fn gradients(&self, [x]: [&Tensor; 1], _: &Tensor, dy: &Tensor) -> Result<op::Grads<1>> {
        let op = Backward { size: self.size, through_relu: false };
        op.run_one([dy, x]).map(|dx| [Some(dx)])
    }
}

/// `dy` (B, H', W', C), `x` (B, H, W, C) → `dx` (B, H, W, C).
struct Backward {
    size: AvgPoolSize,
    /// Whether `dx` is 0 where `x` is not above 0. Only then is `x` read.
    through_relu: bool,
}

impl Op<2> for Backward {
    const NAME: &'static str = "avg-pool-backward";

    fn cpu(&self, [dy, x]: op::CpuInputs<'_, 2>) -> Result<op::CpuOutputs> {
        let (dy, x) = (dy.values()?, x.values()?);
        produce(self.size.input_shape(), |dx| {
            self.size.gradient(dy, self.through_relu.then_some(x), dx);
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [dy, x]: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
        let gpu = Gpu::of(dy.storage);
        let (dy, x) = (gpu.read(&dy)?, gpu.read(&x)?);
        crate::cuda::gpu::same("the input", dy.storage, x.storage)?;
        gpu.produce(dy.storage, self.size.input_shape(), |dx| {
            let spans = [dy.span, x.span, dx];
            gpu.run(&launch::avg_pool_backward(dy.storage, &self.size, spans, self.through_relu)?)
        })
    }
}
