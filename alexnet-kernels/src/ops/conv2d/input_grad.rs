//! The gradient with respect to the input.
//!
//! With stride 1 it is a forward pass over `dy` with the kernel rotated by 180 degrees and a
//! padding of kernel − 1 − padding. With any other stride a GEMM gives the gradient of each patch,
//! and col2im adds the patches to the image.

use candle_core::Result;
use rayon::prelude::*;

use super::config::Padding;
use super::cpu::convolve;
use super::epilogue::Epilogue;
use super::geometry::Geometry;
use super::input::{Input, equal, equal_mut};
use crate::cpu::gemm::{Matrix, gemm};
use crate::cpu::scratch::with_scratch;
use crate::op::{self, Op, produce};

/// The most floats of the patches that a GEMM gives at a time, about: 2 MiB.
const PATCHES: usize = 512 * 1024;

/// `(dy (B, H', W', O), w (O, kH, kW, C/groups), x (B, H, W, C)) → dx (B, H, W, C)`, or all but `w`
/// with the groups apart.
pub(super) struct InputGradient {
    pub(super) input: Input,
    /// Whether `dx` is 0 where `x` is not above 0. Only then is `x` read.
    pub(super) through_relu: bool,
}

impl Op<3> for InputGradient {
    const NAME: &'static str = "conv2d-input-gradient";

    fn cpu(&self, [dy, w, x]: op::CpuInputs<'_, 3>) -> Result<op::CpuOutputs> {
        let (g, parts) = (self.input.convolved(), self.input.parts());
        let (dy, w, x) = (dy.values()?, w.values::<f32>()?, x.values()?);
        produce(self.input.input_shape(), |dx| {
            let operands = equal(dy, parts).zip(equal(w, parts)).zip(equal(x, parts));
            equal_mut(dx, parts).zip(operands).try_for_each(|(dx, ((dy, w), x))| {
                let epilogue = match self.through_relu {
                    true => Epilogue::ThroughRelu(x),
                    false => Epilogue::None,
                };
                input_gradient(g, [dy, w], epilogue, dx)
            })
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 3>) -> Result<op::CudaOutputs> {
        super::cuda::input_grad(&self.input, inputs, self.through_relu)
    }
}

/// `dx` of one convolution.
fn input_gradient(
    g: &Geometry,
    [dy, w]: [&[f32]; 2],
    epilogue: Epilogue<'_>,
    dx: &mut [f32],
) -> Result<()> {
    if g.stride == 1 {
        let rotated = rotated(g);
        return convolve(&rotated, dy, |c, k| rotated_weight(g, w, c, k), epilogue, dx);
    }
    dx.par_chunks_mut(g.image()).enumerate().for_each(|(image, dx)| {
        patches_to_image(g, dy, w, image, dx);
        epilogue.apply(image * g.image(), dx);
    });
    Ok(())
}

/// The convolution from `dy` to `dx`, for stride 1.
fn rotated(g: &Geometry) -> Geometry {
    let ((kernel_h, kernel_w), padding) = (g.kernel, g.padding);
    Geometry {
        input: g.output,
        output: g.input,
        channels: g.out_channels,
        out_channels: g.channels,
        padding: Padding {
            top: kernel_h - 1 - padding.top,
            bottom: kernel_h - 1 - padding.bottom,
            left: kernel_w - 1 - padding.left,
            right: kernel_w - 1 - padding.right,
        },
        ..*g
    }
}

/// The weight of channel `c` for element `k` of a patch of `dy`, (kH, kW, O/groups), whose taps are
/// in reverse order.
fn rotated_weight(g: &Geometry, w: &[f32], c: usize, k: usize) -> f32 {
    let (taps, channels, group_out) = (g.taps(), g.group_channels(), g.group_out_channels());
    let (group, tap, o) = (c / channels, taps - 1 - k / group_out, k % group_out);
    w[((group * group_out + o) * taps + tap) * channels + c % channels]
}

/// The gradient with respect to one image, `dx` (H, W, C), for any stride.
fn patches_to_image(g: &Geometry, dy: &[f32], w: &[f32], image: usize, dx: &mut [f32]) {
    let (patch, out, group_out) = (g.patch(), g.out_channels, g.group_out_channels());
    let dy = &dy[image * g.out_pixels() * out..];
    let most = (PATCHES / patch).max(8);
    dx.fill(0.0);
    for first in (0..g.out_pixels()).step_by(most) {
        let pixels = most.min(g.out_pixels() - first);
        with_scratch(pixels * patch, |patches| {
            for group in 0..g.groups {
                let dy = &dy[first * out + group * group_out..];
                let w = &w[group * group_out * patch..][..group_out * patch];
                let (dy, w) = (
                    Matrix::new(dy, (pixels, group_out), (out, 1)),
                    Matrix::row_major(w, group_out, patch),
                );
                gemm(patches, patch, dy, w);
                g.col2im(patches, first..first + pixels, group, dx);
            }
        });
    }
}
