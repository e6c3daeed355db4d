//! Two-dimensional convolution (cross-correlation) with groups, a bias and padding per side.
//!
//! ```text
//!  y[b,o,h,w] = bias[o] + Σ x[b, g·Cg + c, h·stride + i − top, w·stride + j − left] · w[o,c,i,j]
//!               0 ≤ c < Cg = C/groups,  0 ≤ i < kH,  0 ≤ j < kW,  g = o div (O/groups)
//!  H' = ⌊(H + top + bottom − kH) / stride⌋ + 1, W' alike; x is 0 outside the map
//! dx, dw, dbias: the transposes of this linear map
//! ```
//!
//! Shapes: `x`, `dx` `(B, C, H, W)`; `w`, `dw` `(O, C/groups, kH, kW)`; `bias`, `dbias` `(O)`;
//! `y`, `dy` `(B, O, H', W')`; f32. In memory all of rank 4 are channels-last, weights too: OHWI.
//! Units: stride and padding count pixels.
//! Errors: other ranks or dtypes, no elements, stride or groups 0, groups that do not divide C and
//! O, weights or bias of other sizes, a kernel larger than the padded map, padding as large as the
//! kernel (its outermost windows would see no pixel).
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.5; two groups are the two towers.
//! Deviations: the authors' first layer lets windows hang over the right and the lower edge only;
//! here that is a padding of those sides.
//!
//! On the CPU kernels of 3 and 5, and strided ones that become such, run by Winograd's transforms
//! (`winograd/`), all others by direct convolution (`direct.rs`, `weight_grad.rs`; for the gradient
//! with respect to the input of a strided convolution a GEMM and `col2im.rs`). Both use the GEMM
//! micro-kernel (`cpu/microkernel.rs`) on images in place; only the weights are packed, once a
//! call. The order of sums follows from the sizes alone, so the result has the same bits for any
//! number of threads.

mod col2im;
pub(crate) mod config;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod cudnn;
mod direct;
mod epilogue;
mod geometry;
mod input;
mod input_grad;
pub(crate) mod launch;
mod over_blocks;
pub(crate) mod reference;
mod weight_grad;
mod winograd;

use candle_core::{Module, Result, Tensor, bail};

use self::config::Conv2dConfig;
use self::cpu::convolve;
use self::geometry::Geometry;
use self::input::{Input, equal, equal_mut};
use self::input_grad::InputGradient;
use self::over_blocks::OverBlocks;
use self::weight_grad::WeightGrad;
use crate::check::{check_shape, dims};
use crate::layout::{channels_last, nchw, nhwc};
use crate::op::{self, Apply, Op, produce};
use crate::ops::activation::through;
use crate::ops::bias::bias_or_zeros;
use crate::ops::fusion::{Epilogue, InputGrad, LayerGrads};
use crate::ops::regroup::{apart, together};
use crate::ops::space_to_depth::SpaceToDepth;

/// A convolution with its weights `(O, C/groups, kH, kW)` and its bias `(O)`.
///
/// ```
/// use alexnet_kernels::{Conv2d, Conv2dConfig, Padding};
/// use candle_core::{DType, Device, Module, Tensor};
///
/// let weight = Tensor::ones((1, 1, 2, 2), DType::F32, &Device::Cpu)?; // sums of 2 x 2 pixels
/// let bias = Tensor::new(&[0.5f32], &Device::Cpu)?;
/// let padding = Padding::right_bottom(1);
/// let conv = Conv2d::new(weight, bias, Conv2dConfig { padding, ..Default::default() })?;
/// let x = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?.reshape((1, 1, 2, 2))?;
/// assert_eq!(conv.forward(&x)?.flatten_all()?.to_vec1::<f32>()?, [10.5, 6.5, 7.5, 4.5]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: Tensor, // (O, C/groups, kH, kW)
    bias: Tensor,   // (O)
    config: Conv2dConfig,
    apart: bool,
    output_towers: usize,
}

impl Conv2d {
    /// A convolution of weights `(O, C/groups, kH, kW)` and a bias `(O)`.
    ///
    /// # Errors
    ///
    /// Other ranks or dtypes, no elements, sizes that do not fit.
    pub fn new(weight: Tensor, bias: Tensor, config: Conv2dConfig) -> Result<Self> {
        let [outputs, ..] = dims::<4>("conv2d", "the weight", &weight)?;
        check_shape("conv2d", "the bias", &bias, &[outputs])?;
        Ok(Self { weight, bias, config, apart: false, output_towers: 1 })
    }

    /// The same, which takes and gives the maps of each of its G groups by themselves, one after
    /// another: `x` is `(G·B, C/G, H, W)`, `y` `(G·B, O/G, H', W')`. So cuDNN is fastest.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { apart: true, ..self }
    }

    /// The same, which gives the maps of so many towers by themselves, one after another: `y` is
    /// `(T·B, O/T, H', W')`, for convolutions that are [`apart`](Self::apart).
    #[must_use]
    pub fn output_apart(self, towers: usize) -> Self {
        Self { output_towers: towers, ..self }
    }

    /// `x` `(B, C, H, W)` to `y` `(B, O, H', W')` with its epilogue; candle can differentiate it.
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and constants that have no meaning.
    pub fn forward_fused(&self, x: &Tensor, epilogue: Epilogue) -> Result<Tensor> {
        let op = Forward { input: self.input(x)?, rest: Some(epilogue), keep: false };
        let y = nchw(&op.apply([&nhwc(x)?, &nhwc(&self.weight)?, &self.bias.contiguous()?])?)?;
        match self.output_towers {
            1 => Ok(y),
            towers => channels_last(&Tensor::cat(&y.chunk(towers, 1)?, 0)?),
        }
    }

    /// The same, which candle cannot differentiate, and the input for [`backward`](Self::backward):
    /// `x`, or for a strided convolution on a GPU the blocks of pixels `(B, s·s·C, rows, columns)`
    /// that were made of it. Of blocks only the gradient of the weights can be computed.
    ///
    /// # Errors
    ///
    /// Those of [`forward_fused`](Self::forward_fused).
    pub fn forward_keeping(&self, x: &Tensor, epilogue: Epilogue) -> Result<(Tensor, Tensor)> {
        self.forward_and_keep(x, Some(epilogue))
    }

    /// The same without bias and ReLU, which are left to the next operation
    /// ([`Rest`](crate::Rest)).
    ///
    /// # Errors
    ///
    /// Those of [`forward_fused`](Self::forward_fused).
    pub fn forward_without_rest(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        self.forward_and_keep(x, None)
    }

    fn forward_and_keep(&self, x: &Tensor, rest: Option<Epilogue>) -> Result<(Tensor, Tensor)> {
        let at_once = if self.output_towers == 1 { rest } else { None };
        let op = Forward { input: self.input(x)?, rest: at_once, keep: true };
        let inputs = [&nhwc(x)?, &nhwc(&self.weight)?, &self.bias.contiguous()?];
        let (y, blocks) = op.run(inputs)?;
        let (y, kept) = (nchw(&y)?, blocks.as_ref().map_or(Ok(x.clone()), nchw)?);
        match (self.output_towers, rest) {
            (1, _) => Ok((y, kept)),
            (towers, Some(epilogue)) => Ok((apart(&y, &self.bias, epilogue, towers)?, kept)),
            (towers, None) => bail!("conv2d: the maps of {towers} towers have their bias"),
        }
    }

    /// The gradients with respect to the input and to the weights, where the next operation gives
    /// that of the bias; else as [`backward`](Self::backward).
    ///
    /// # Errors
    ///
    /// Those of [`backward`](Self::backward).
    pub fn backward_without_rest(
        &self,
        x: &Tensor,
        dy: &Tensor,
        input: InputGrad,
    ) -> Result<(Option<Tensor>, Tensor)> {
        let (dx, dw, _) = self.gradients(x, dy, input, false)?;
        Ok((dx, dw))
    }

    /// The gradients with respect to input, weights and, if asked for, bias.
    fn gradients(
        &self,
        x: &Tensor,
        dy: &Tensor,
        input: InputGrad,
        with_bias: bool,
    ) -> Result<(Option<Tensor>, Tensor, Option<Tensor>)> {
        let convolved = self.input(x)?;
        let (b, h, w, o) = convolved.output_shape().dims4()?;
        let moved = match self.output_towers {
            1 => None,
            towers => Some(together(dy, towers)?),
        };
        let dy = moved.as_ref().unwrap_or(dy);
        check_shape("conv2d", "the gradient", dy, &[b, o, h, w])?;
        let (x, w, dy) = (nhwc(x)?, nhwc(&self.weight)?, nhwc(dy)?);
        let (dx, dw, db) = backward(convolved, [&x, &w, &dy], input, with_bias)?;
        Ok((dx.as_ref().map(nchw).transpose()?, nchw(&dw)?, db))
    }

    /// The gradients, given `x` `(B, C, H, W)` and `dy` `(B, O, H', W')`, the gradient with respect
    /// to the output, or with a ReLU as epilogue with respect to the ReLU's input: the next layer
    /// gives that with [`InputGrad::ThroughRelu`].
    ///
    /// # Errors
    ///
    /// Those of [`forward_fused`](Self::forward_fused), and `dy` of another shape than `y`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor, input: InputGrad) -> Result<LayerGrads> {
        match self.gradients(x, dy, input, true)? {
            (input, weight, Some(bias)) => Ok(LayerGrads { input, weight, bias }),
            _ => bail!("conv2d: the gradient of the bias is missing"),
        }
    }

    /// The blocks of pixels that a GPU makes of images of a height and a width before it convolves
    /// them; `None` where it takes the pixels. Images that are in these blocks already, by
    /// [`Input`](crate::Input) or [`SpaceToDepth`], are taken as they are, on any device.
    ///
    /// # Errors
    ///
    /// Images that are smaller than the kernel.
    pub fn blocks_on_gpu(&self, (h, w): (usize, usize)) -> Result<Option<SpaceToDepth>> {
        let weight @ (_, channels, ..) = self.weight.dims4()?;
        let g = Geometry::new(&self.config, [1, channels * self.config.groups, h, w], weight)?;
        let blocks = OverBlocks::of(&g).filter(OverBlocks::pays_on_gpu);
        Ok(blocks.map(|blocks| blocks.of_images(&g)))
    }

    fn input(&self, x: &Tensor) -> Result<Input> {
        let x = dims("conv2d", "the input", x)?;
        Input::new(&self.config, x, self.weight.dims4()?, self.apart)
    }
}

impl Module for Conv2d {
    /// `x` `(B, C, H, W)` to `y` `(B, O, H', W')`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_fused(x, Epilogue::None)
    }
}

/// `x` `(B, C, H, W)`, `weight` `(O, C/groups, kH, kW)` and `bias` `(O)` to `y` `(B, O, H', W')`;
/// candle can differentiate it.
///
/// ```
/// use alexnet_kernels::{Conv2dConfig, conv2d};
/// use candle_core::{Device, Tensor};
///
/// let x = Tensor::arange(0f32, 9.0, &Device::Cpu)?.reshape((1, 1, 3, 3))?;
/// let difference = Tensor::new(&[-1f32, 1.0], &Device::Cpu)?.reshape((1, 1, 2, 1))?; // rows
/// let y = conv2d(&x, &difference, None, &Conv2dConfig::default())?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [3f32; 6]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Conv2d::new`] and [`Conv2d::forward_fused`].
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv2dConfig,
) -> Result<Tensor> {
    Conv2d::new(weight.clone(), bias_or_zeros(bias, weight)?, *config)?.forward(x)
}

/// The gradients with respect to input, weights and, if asked for, bias, given `x` as it lies, `w`
/// (O, kH, kW, C/groups) and `dy` (B, H', W', O), in the layout of `x` and `w`.
fn backward(
    convolved: Input,
    [x, w, dy]: [&Tensor; 3],
    input: InputGrad,
    with_bias: bool,
) -> Result<(Option<Tensor>, Tensor, Option<Tensor>)> {
    let (weight, bias) = WeightGrad { input: convolved, with_bias }.run([x, dy])?;
    let input = match (input, convolved) {
        (InputGrad::Skip, _) => None,
        (_, Input::Blocks(_)) => bail!("conv2d: blocks of pixels have no gradient"),
        (_, convolved) => {
            let op = InputGradient { input: convolved, through_relu: input.through_relu() };
            Some(op.run_one([dy, w, x])?)
        }
    };
    Ok((input, weight, bias))
}

/// `(x, w (O, kH, kW, C/groups), bias (O)) → y (B, H', W', O)`; `x` lies as the input says. On a
/// GPU that made blocks of `x`, these are the second output if they are to be kept.
struct Forward {
    input: Input,
    /// What is done with the bias; `None` where it is not added.
    rest: Option<Epilogue>,
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the CPU makes no blocks"))]
    keep: bool,
}

impl Op<3> for Forward {
    const NAME: &'static str = "conv2d";

    fn cpu(&self, [x, w, bias]: op::CpuInputs<'_, 3>) -> Result<op::CpuOutputs> {
        let (x, w, bias) = (x.values()?, w.values::<f32>()?, bias.values()?);
        let parts = self.input.parts();
        produce(self.input.output_shape(), |y| {
            let operands = equal(x, parts).zip(equal(w, parts)).zip(equal(bias, parts));
            equal_mut(y, parts).zip(operands).try_for_each(|(y, ((x, w), bias))| {
                let epilogue = match self.rest {
                    None => epilogue::Epilogue::None,
                    Some(Epilogue::None) => epilogue::Epilogue::Bias(bias),
                    Some(Epilogue::Relu) => epilogue::Epilogue::BiasRelu(bias),
                };
                match &self.input {
                    Input::Pixels(g) | Input::Apart(g, _) => {
                        convolve(g, x, |o, k| w[o * g.patch() + k], epilogue, y)
                    }
                    Input::Blocks(blocks) => {
                        let weight = |o, k| w[o * blocks.patch() + k];
                        let weight = |o, k| blocks.element(k).map_or(0.0, |k| weight(o, k));
                        convolve(&blocks.plain, x, weight, epilogue, y)
                    }
                }
            })
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 3>) -> Result<op::CudaOutputs> {
        cuda::forward(&self.input, inputs, self.rest, self.keep)
    }

    fn gradients(&self, [x, w, _]: [&Tensor; 3], y: &Tensor, dy: &Tensor) -> Result<op::Grads<3>> {
        let dy = through(self.rest.unwrap_or_default(), y, dy)?;
        let (dx, dw, db) = backward(self.input, [x, w, &dy], InputGrad::Plain, true)?;
        Ok([dx, Some(dw), db])
    }
}
