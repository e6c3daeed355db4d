//! A convolution whose weights are not shared: every place of the window has filters of its own.
//! cuda-convnet calls such a layer local, others locally connected.
//!
//! ```text
//!  y[b,o,h,w] = bias[h,w,o] + Σ x[b, c, h·stride + i − padding, w·stride + j − padding]
//!                               · w[(h,w,o), (i,j,c)]
//!               0 ≤ c < C,  0 ≤ i, j < kernel
//!  H' = ⌊(H + 2·padding − kernel) / stride⌋ + 1, W' alike; x is 0 outside the map
//! dx, dw, dbias: the transposes of this linear map
//! ```
//!
//! Shapes: `x`, `dx` `(B, C, H, W)`; `w`, `dw` `(H'·W'·O, kernel·kernel·C)`, whose rows are in the
//! order of the output's memory (row, column, filter) and whose columns in that of a window's (row,
//! column, channel); `bias`, `dbias` `(H'·W'·O)`; `y`, `dy` `(B, O, H', W')`; f32.
//! Units: kernel, stride and padding count pixels.
//! Errors: other ranks or dtypes, no elements, kernel or stride 0, a kernel larger than the padded
//! map, padding as large as the kernel, weights or bias of other sizes.
//! Source: cuda-convnet, layers local3 and local4 of the authors' CIFAR-10 networks.
//!
//! On the CPU a place is a GEMM over the batch, and so is the gradient of an input pixel; threads
//! share the places, so the result has the same bits for any number of threads.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;

use candle_core::{CpuStorage, Module, Result, Shape, Tensor, bail};

use self::launch::LocalSize;
use crate::check::{check_shape, dims};
use crate::cpu::elementwise::sum_rows;
use crate::cpu::scratch::uninit;
use crate::layout::{nchw, nhwc};
use crate::op::{self, Apply, Op, produce};
use crate::ops::activation::through;
use crate::ops::fusion::{Epilogue, InputGrad, LayerGrads};

/// The constants of a [`Local2d`]; the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local2dConfig {
    /// Side of the window, in pixels.
    pub kernel: usize,
    /// Distance between windows, in pixels.
    pub stride: usize,
    /// Zeros around the map, in pixels.
    pub padding: usize,
}

impl Local2dConfig {
    /// Height and width of the output for a map of `input` height and width.
    ///
    /// # Errors
    ///
    /// Kernel or stride 0, a kernel larger than the padded map, padding as large as the kernel.
    pub fn output_size(&self, input: (usize, usize)) -> Result<(usize, usize)> {
        let Self { kernel, stride, padding } = *self;
        if kernel == 0 || stride == 0 || padding >= kernel {
            bail!(
                "local2d: kernel {kernel} and stride {stride} must be at least 1, and padding \
                 {padding} smaller than the kernel"
            )
        }
        let along = |length: usize| match (length + 2 * padding).checked_sub(kernel) {
            Some(steps) => Ok(steps / stride + 1),
            None => bail!("local2d: the kernel, {kernel} pixels, is larger than the padded map"),
        };
        Ok((along(input.0)?, along(input.1)?))
    }
}

/// A convolution without shared weights: its weights `(H'·W'·O, kernel·kernel·C)` and its bias
/// `(H'·W'·O)`, which belong to one size of maps.
///
/// ```
/// use alexnet_kernels::{Local2d, Local2dConfig};
/// use candle_core::{Device, Module, Tensor};
///
/// let weight = Tensor::new(&[[1f32, 1.0], [10.0, 0.0]], &Device::Cpu)?; // two places
/// let bias = Tensor::new(&[0f32, 0.5], &Device::Cpu)?;
/// let layer = Local2d::new(weight, bias, Local2dConfig { kernel: 1, stride: 1, padding: 0 })?;
/// let x = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?.reshape((1, 2, 1, 2))?;
/// assert_eq!(layer.forward(&x)?.flatten_all()?.to_vec1::<f32>()?, [4.0, 20.5]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Local2d {
    weight: Tensor, // (H'·W'·O, kernel·kernel·C)
    bias: Tensor,   // (H'·W'·O)
    config: Local2dConfig,
}

impl Local2d {
    /// A layer of weights `(H'·W'·O, kernel·kernel·C)` and a bias `(H'·W'·O)`.
    ///
    /// # Errors
    ///
    /// Other ranks or dtypes, no elements, sizes that do not fit.
    pub fn new(weight: Tensor, bias: Tensor, config: Local2dConfig) -> Result<Self> {
        let [outputs, _] = dims("local2d", "the weight", &weight)?;
        check_shape("local2d", "the bias", &bias, &[outputs])?;
        Ok(Self { weight, bias, config })
    }

    /// `x` `(B, C, H, W)` to `y` `(B, O, H', W')` with its epilogue; candle can differentiate it.
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and constants that have no meaning.
    pub fn forward_fused(&self, x: &Tensor, epilogue: Epilogue) -> Result<Tensor> {
        let op = Forward { size: self.size_for(x)?, epilogue };
        nchw(&op.apply([&nhwc(x)?, &self.weight.contiguous()?, &self.bias.contiguous()?])?)
    }

    /// The gradients, given `x` `(B, C, H, W)` and `dy` `(B, O, H', W')`, the gradient with respect
    /// to the output, or with a ReLU as epilogue with respect to the ReLU's input: the next layer
    /// gives that with [`InputGrad::ThroughRelu`].
    ///
    /// # Errors
    ///
    /// Those of [`forward_fused`](Self::forward_fused), and `dy` of another shape than `y`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor, input: InputGrad) -> Result<LayerGrads> {
        let size = self.size_for(x)?;
        let (out_h, out_w) = size.output;
        check_shape("local2d", "the gradient", dy, &[size.batch, size.filters, out_h, out_w])?;
        let grads = backward(size, [&nhwc(x)?, &self.weight.contiguous()?, &nhwc(dy)?], input)?;
        let input = grads.input.as_ref().map(nchw).transpose()?;
        Ok(LayerGrads { input, ..grads })
    }

    /// All sizes for an input `(B, C, H, W)`.
    fn size_for(&self, x: &Tensor) -> Result<LocalSize> {
        let [batch, channels, h, w] = dims("local2d", "the input", x)?;
        let Local2dConfig { kernel, stride, padding } = self.config;
        let (output, (outputs, columns)) = (self.config.output_size((h, w))?, self.weight.dims2()?);
        let (places, expected) = (output.0 * output.1, kernel * kernel * channels);
        if columns != expected || !outputs.is_multiple_of(places) {
            bail!(
                "local2d: the weight must have a multiple of {places} rows, one for each output \
                 of a place, and {expected} columns, got {outputs} and {columns}"
            )
        }
        let (input, filters) = ((h, w), outputs / places);
        Ok(LocalSize { batch, input, output, channels, filters, kernel, stride, padding })
    }
}

impl Module for Local2d {
    /// `x` `(B, C, H, W)` to `y` `(B, O, H', W')`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_fused(x, Epilogue::None)
    }
}

/// The gradients, given `x` (B, H, W, C), `w` and `dy` (B, H', W', O).
fn backward(size: LocalSize, [x, w, dy]: [&Tensor; 3], input: InputGrad) -> Result<LayerGrads> {
    let (weight, bias) = WeightGrad { size }.run_two([x, dy])?;
    let input = match input {
        InputGrad::Skip => None,
        _ => {
            let op = InputGradient { size, through_relu: input.through_relu() };
            Some(op.run_one([dy, w, x])?)
        }
    };
    Ok(LayerGrads { input, weight, bias })
}

/// `(x (B, H, W, C), w, bias) → y (B, H', W', O)`.
struct Forward {
    size: LocalSize,
    epilogue: Epilogue,
}

impl Op<3> for Forward {
    const NAME: &'static str = "local2d";

    fn cpu(&self, [x, w, bias]: op::CpuInputs<'_, 3>) -> Result<op::CpuOutputs> {
        let (x, w, bias) = (x.values()?, w.values()?, bias.values()?);
        produce(self.size.output_shape(), |y| {
            self.size.forward([x, w, bias], self.epilogue == Epilogue::Relu, y)
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 3>) -> Result<op::CudaOutputs> {
        cuda::forward(&self.size, inputs, self.epilogue == Epilogue::Relu)
    }

    fn gradients(&self, [x, w, _]: [&Tensor; 3], y: &Tensor, dy: &Tensor) -> Result<op::Grads<3>> {
        let dy = through(self.epilogue, y, dy)?;
        let grads = backward(self.size, [x, w, &dy], InputGrad::Plain)?;
        Ok([grads.input, Some(grads.weight), Some(grads.bias)])
    }
}

/// `(dy (B, H', W', O), w, x (B, H, W, C)) → dx`.
struct InputGradient {
    size: LocalSize,
    /// Whether `dx` is 0 where `x` is not above 0. Only then is `x` read.
    through_relu: bool,
}

impl Op<3> for InputGradient {
    const NAME: &'static str = "local2d-input-gradient";

    fn cpu(&self, [dy, w, x]: op::CpuInputs<'_, 3>) -> Result<op::CpuOutputs> {
        let (dy, w, x) = (dy.values()?, w.values()?, x.values()?);
        produce(self.size.input_shape(), |dx| {
            self.size.input_gradient(dy, w, self.through_relu.then_some(x), dx)
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 3>) -> Result<op::CudaOutputs> {
        cuda::input_gradient(&self.size, inputs, self.through_relu)
    }
}

/// `(x (B, H, W, C), dy (B, H', W', O)) → dw` and `dbias`.
struct WeightGrad {
    size: LocalSize,
}

impl Op<2> for WeightGrad {
    const NAME: &'static str = "local2d-weight-gradient";

    fn cpu(&self, [x, dy]: op::CpuInputs<'_, 2>) -> Result<op::CpuOutputs> {
        let (x, dy, (outputs, columns)) = (x.values()?, dy.values()?, self.size.weight());
        // SAFETY: `sum_rows` writes all of it.
        let mut db = unsafe { uninit::<f32>(outputs)? };
        sum_rows(dy, &mut db);
        let dw = produce((outputs, columns), |dw| {
            self.size.weight_gradient(x, dy, dw);
            Ok(())
        })?;
        Ok(dw.and((CpuStorage::F32(db), Shape::from(outputs))))
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
        cuda::weight_gradient(&self.size, inputs)
    }
}
