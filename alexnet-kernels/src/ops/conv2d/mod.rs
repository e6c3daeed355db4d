//! Two-dimensional convolution (cross-correlation) with groups, a bias and padding per side.
//!
//! ```text
//!  y[b,o,h,w] = bias[o] + Σ x[b, g·Cg + c, h·stride + i − top, w·stride + j − left] · w[o,c,i,j]
//!               0 ≤ c < Cg = C/groups,  0 ≤ i < kH,  0 ≤ j < kW,  g = o div (O/groups)
//!  H' = ⌊(H + top + bottom − kH) / stride⌋ + 1, W' alike; x is 0 outside the map
//! dx, dw, dbias: the transposed maps of this one
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
//! How: all three passes sum in tiles of a few pixels by a few vectors of channels, held in registers
//! ([`micro`](crate::cpu::microkernel)), which read images where they lie; only the weights are packed, once a call. The order of
//! sums follows from the sizes alone, so the result has the same bits for any number of threads.

mod col2im;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
mod cudnn;
mod direct;
mod epilogue;
mod forward;
mod geometry;
mod input_grad;
pub(crate) mod launch;
pub(crate) mod reference;
mod weight_grad;
mod winograd;

use candle_core::{Result, Tensor, bail};

use crate::layout::{check_shape, dims4, nchw, nhwc};
use crate::ops::gradients::{ConvGradients, InputGradient, split};
use epilogue::Tail;
use geometry::Geometry;
use winograd::{Phases, Tiling};

/// Zeros around the map, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// `pixels` on all sides.
    pub const fn same(pixels: usize) -> Self {
        Self { top: pixels, bottom: pixels, left: pixels, right: pixels }
    }
}

/// How the kernel moves; its sizes are those of the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conv2d {
    /// Distance between windows, in pixels, the same in both directions.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: Padding,
    /// Equal blocks of channels that do not see each other.
    pub groups: usize,
}

impl Conv2d {
    /// Height and width of the output for an input and a kernel of the given heights and widths.
    ///
    /// # Errors
    ///
    /// Stride or kernel 0, a kernel larger than the padded map, padding as large as the kernel.
    pub fn output_size(
        &self,
        input: (usize, usize),
        kernel: (usize, usize),
    ) -> Result<(usize, usize)> {
        let Padding { top, bottom, left, right } = self.padding;
        let length = |input: usize, kernel: usize, before: usize, after: usize| {
            if self.stride == 0 || kernel == 0 {
                bail!("conv2d: stride {} and kernel {kernel} must be at least 1", self.stride)
            }
            if before >= kernel || after >= kernel {
                bail!("conv2d: padding {before} and {after} must be below the kernel, {kernel}")
            }
            // Cannot overflow before the kernel itself could not exist.
            let padded = input.saturating_add(before).saturating_add(after);
            if kernel > padded {
                bail!("conv2d: the kernel, {kernel}, is larger than the padded map, {padded}")
            }
            Ok((padded - kernel) / self.stride + 1)
        };
        Ok((length(input.0, kernel.0, top, bottom)?, length(input.1, kernel.1, left, right)?))
    }

    /// `x` (B, C, H, W), `w` (O, C/groups, kH, kW), `bias` (O) to `y` (B, O, H', W').
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and constants that have no meaning.
    pub fn forward(&self, x: &Tensor, w: &Tensor, bias: &Tensor) -> Result<Tensor> {
        self.apply(x, w, bias, false)
    }

    /// [`Conv2d::forward`] and [`Relu`](crate::Relu) in one pass. Its gradients are those of both: `dy` goes
    /// through [`Relu::backward`](crate::Relu::backward) before [`Conv2d::backward`], unless the layer behind
    /// has done that ([`InputGradient::Rectified`]).
    ///
    /// # Errors
    ///
    /// Those of [`Conv2d::forward`].
    pub fn forward_relu(&self, x: &Tensor, w: &Tensor, bias: &Tensor) -> Result<Tensor> {
        self.apply(x, w, bias, true)
    }

    fn apply(&self, x: &Tensor, w: &Tensor, bias: &Tensor, relu: bool) -> Result<Tensor> {
        let geometry = self.geometry(x, w)?;
        check_shape("conv2d", "the bias", bias, &[geometry.out_channels])?;
        let op = forward::Forward { geometry, relu };
        nchw(&nhwc(x)?.apply_op3(&nhwc(w)?, &bias.contiguous()?, op)?)
    }

    /// The gradients by weights and bias, and by the input as `input` says, given that by `y`:
    /// `x` (B, C, H, W), `w` (O, C/groups, kH, kW), `dy` (B, O, H', W').
    ///
    /// # Errors
    ///
    /// Those of [`Conv2d::forward`], and `dy` of another shape than `y`.
    pub fn backward(
        &self,
        x: &Tensor,
        w: &Tensor,
        dy: &Tensor,
        input: InputGradient,
    ) -> Result<ConvGradients> {
        let geometry = self.geometry(x, w)?;
        let (out_h, out_w) = geometry.output;
        let shape = [geometry.batch, geometry.out_channels, out_h, out_w];
        check_shape("conv2d", "the gradient", dy, &shape)?;
        let gradients = backward(geometry, &nhwc(x)?, &nhwc(w)?, &nhwc(dy)?, input)?;
        Ok(ConvGradients {
            input: gradients.input.as_ref().map(nchw).transpose()?,
            weight: nchw(&gradients.weight)?,
            bias: gradients.bias,
        })
    }

    fn geometry(&self, x: &Tensor, w: &Tensor) -> Result<Geometry> {
        let (batch, channels, h, w_in) = dims4("conv2d", "the input", x)?;
        let (out_channels, w_channels, kernel_h, kernel_w) = dims4("conv2d", "the weight", w)?;
        let groups = self.groups;
        if groups == 0 || !channels.is_multiple_of(groups) || !out_channels.is_multiple_of(groups) {
            bail!("conv2d: {groups} groups do not divide {channels} and {out_channels} channels")
        }
        if w_channels != channels / groups {
            let expected = channels / groups;
            bail!("conv2d: the weight must take {expected} channels a group, takes {w_channels}")
        }
        Ok(Geometry {
            batch,
            input: (h, w_in),
            output: self.output_size((h, w_in), (kernel_h, kernel_w))?,
            kernel: (kernel_h, kernel_w),
            channels,
            out_channels,
            stride: self.stride,
            padding: self.padding,
            groups,
        })
    }
}

/// `y` (B, H', W', O) of `x` (B, H, W, C), the faster way; `weight(o, k)` is that of output channel `o` and element
/// `k` of its patch.
fn convolve(
    g: &Geometry,
    x: &[f32],
    weight: impl Fn(usize, usize) -> f32 + Sync,
    tail: Tail<'_>,
    y: &mut [f32],
) -> Result<()> {
    match (Tiling::of(g), Phases::of(g)) {
        (Some(tiling), _) => winograd::convolve(g, tiling, x, weight, tail, y),
        (None, Some(phases)) => phases.convolve(x, weight, tail, y),
        (None, None) => direct::convolve(g, x, weight, tail, y),
    }
}

/// All gradients, of and as row-major channels-last tensors.
fn backward(
    geometry: Geometry,
    x: &Tensor,
    w: &Tensor,
    dy: &Tensor,
    input: InputGradient,
) -> Result<ConvGradients> {
    let parameters = || {
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            return cuda::conv_parameter_gradients(geometry.on_card(), x, dy);
        }
        let op = weight_grad::ParameterGradients(geometry);
        split(&x.apply_op2_no_bwd(dy, &op)?, w.shape())
    };
    let (weight, bias) = parameters()?;
    let by_input = |rectified| {
        dy.apply_op3_no_bwd(w, x, &input_grad::ByInput { geometry, rectified }).map(Some)
    };
    let input = match input {
        InputGradient::No => None,
        InputGradient::Plain => by_input(false)?,
        InputGradient::Rectified => by_input(true)?,
    };
    Ok(ConvGradients { input, weight, bias })
}
