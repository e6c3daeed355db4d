//! The gradient by the input.
//!
//! With stride 1 it is a forward pass again, over `dy` with the kernel turned by 180 degrees and
//! the padding that is missing to a full overlap. With any other stride it is the gradient of
//! each patch, added where the patch was read.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape};
use rayon::prelude::*;

use super::epilogue::Tail;
use super::geometry::Geometry;
use super::{Padding, convolve};
use crate::cpu::gemm::{Matrix, multiply};
use crate::cpu::pool::with_scratch;
use crate::layout::{produce, values};

/// Floats of a tile of patches: 2 MiB.
const TILE: usize = 512 * 1024;

/// `(dy (B, H', W', O), w (O, kH, kW, C/groups), x (B, H, W, C)) → dx (B, H, W, C)`.
pub(super) struct ByInput {
    pub(super) geometry: Geometry,
    /// Whether `dx` is 0 where `x` is not above 0. Only then is `x` read.
    pub(super) rectified: bool,
}

impl CustomOp3 for ByInput {
    fn name(&self) -> &'static str {
        "conv2d-input-gradient"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        dy: &CudaStorage,
        dy_l: &Layout,
        w: &CudaStorage,
        w_l: &Layout,
        x: &CudaStorage,
        x_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let size = self.geometry.on_card();
        let rectified = self.rectified.then_some((x, x_l));
        let dx = super::cuda::conv_backward_data(&size, (w, w_l), (dy, dy_l), rectified)?;
        Ok((dx, x_l.shape().clone()))
    }

    fn cpu_fwd(
        &self,
        dy: &CpuStorage,
        dy_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
        x: &CpuStorage,
        x_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (dy, w) = (values("conv2d", dy, dy_l)?, values("conv2d", w, w_l)?);
        let g = &self.geometry;
        let tail = match self.rectified {
            true => Tail::Where(values("conv2d", x, x_l)?),
            false => Tail::Plain,
        };
        produce((g.batch, g.input.0, g.input.1, g.channels), |dx| {
            if g.stride == 1 {
                let turned = turned(g);
                convolve(&turned, dy, |c, k| turned_weight(g, w, c, k), tail, dx)?;
            } else {
                let images = dx.par_chunks_mut(g.image()).enumerate();
                images.for_each(|(image, dx)| {
                    scattered(g, dy, w, image, dx);
                    tail.apply(image * g.image(), dx);
                });
            }
            Ok(())
        })
    }
}

/// The geometry from `dy` to `dx`, for stride 1.
fn turned(g: &Geometry) -> Geometry {
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

/// The weight from element `k` of a patch of `dy`, (kH, kW, O/groups) with the taps in reverse, to channel `c`.
fn turned_weight(g: &Geometry, w: &[f32], c: usize, k: usize) -> f32 {
    let (taps, channels, group_out) = (g.taps(), g.group_channels(), g.group_out_channels());
    let (group, tap, o) = (c / channels, taps - 1 - k / group_out, k % group_out);
    w[((group * group_out + o) * taps + tap) * channels + c % channels]
}

/// The gradient of one image, `dx` (H, W, C), for any stride.
fn scattered(g: &Geometry, dy: &[f32], w: &[f32], image: usize, dx: &mut [f32]) {
    let (patch, out, group_out) = (g.patch(), g.out_channels, g.group_out_channels());
    let tile_pixels = (TILE / patch).max(8);
    let (first, end) = (image * g.out_pixels(), (image + 1) * g.out_pixels());
    dx.fill(0.0);
    for tile in (first..end).step_by(tile_pixels) {
        let pixels = tile_pixels.min(end - tile);
        with_scratch(pixels * patch, |patches| {
            for group in 0..g.groups {
                let dy = &dy[tile * out + group * group_out..];
                let w = &w[group * group_out * patch..][..group_out * patch];
                let (dy, w) = (
                    Matrix::new(dy, (pixels, group_out), (out, 1)),
                    Matrix::row_major(w, group_out, patch),
                );
                multiply(patches, patch, dy, w, false);
                g.scatter_add(patches, tile..tile + pixels, group, image, dx);
            }
        });
    }
}
