//! The forward pass: patches times weights, plus the bias, and perhaps the rectifier.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::geometry::Geometry;
use crate::dense::{produce, values};
use crate::gradients::InputGradient;
use crate::matrix::{Matrix, multiply, transpose};
use crate::memory::{lend, with_scratch};
use crate::relu::{rectified, relu};
use crate::simd::vectorized;

/// Floats of a tile of patches: 2 MiB.
const TILE: usize = 512 * 1024;

/// `(x (B, H, W, C), w (O, kH, kW, C/groups), bias (O)) → y (B, H', W', O)`.
pub(super) struct Forward {
    pub(super) geometry: Geometry,
    /// Whether the result is rectified.
    pub(super) relu: bool,
}

impl CustomOp3 for Forward {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
        bias: &CpuStorage,
        bias_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = values("conv2d", x, x_l)?;
        let (w, bias) = (values("conv2d", w, w_l)?, values("conv2d", bias, bias_l)?);
        let g = &self.geometry;
        produce((g.batch, g.output.0, g.output.1, g.out_channels), |y| {
            forward(g, x, w, if self.relu { Tail::BiasRelu(bias) } else { Tail::Bias(bias) }, y)
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = if self.relu { rectified(y, dy)? } else { dy.contiguous()? };
        let gradients = super::backward(self.geometry, x, w, &dy, InputGradient::Plain)?;
        Ok((gradients.input, Some(gradients.weight), Some(gradients.bias)))
    }
}

fn forward(g: &Geometry, x: &[f32], w: &[f32], tail: Tail<'_>, y: &mut [f32]) -> Result<()> {
    let (patch, group_out) = (g.patch(), g.group_out_channels());
    // SAFETY: the transposes below write all of it.
    let mut columns = unsafe { lend(w.len())? };
    for (w, columns) in w.chunks(group_out * patch).zip(columns.chunks_mut(group_out * patch)) {
        transpose(Matrix::row_major(w, group_out, patch), columns, |w, _| w);
    }
    correlate(g, x, &columns, tail, y);
    Ok(())
}

/// What happens to each element of a result while it is still in the cache.
#[derive(Clone, Copy)]
pub(super) enum Tail<'a> {
    /// Nothing.
    Plain,
    /// `+ bias (O)`.
    Bias(&'a [f32]),
    /// `max(· + bias (O), 0)`.
    BiasRelu(&'a [f32]),
    /// `·` where this, of the result's shape, is above 0, else 0.
    Where(&'a [f32]),
}

/// `y` (B, H', W', O) of `x` (B, H, W, C) and weights by column: (groups, kH·kW·C/groups,
/// O/groups), so that each tile can pack them by copies of whole vectors.
pub(super) fn correlate(g: &Geometry, x: &[f32], columns: &[f32], tail: Tail<'_>, y: &mut [f32]) {
    let (patch, out, group_out) = (g.patch(), g.out_channels, g.group_out_channels());
    let tile_pixels = (TILE / patch).max(8);
    let tiles = y.par_chunks_mut(tile_pixels * out).enumerate();
    tiles.for_each(|(tile, y)| {
        let (first, pixels) = (tile * tile_pixels, y.len() / out);
        with_scratch(pixels * patch, |patches| {
            for group in 0..g.groups {
                g.gather(x, first..first + pixels, 0..g.taps(), group, patches);
                let columns = &columns[group * group_out * patch..][..group_out * patch];
                let (patches, columns) = (
                    Matrix::row_major(patches, pixels, patch),
                    Matrix::row_major(columns, patch, group_out),
                );
                multiply(&mut y[group * group_out..], out, patches, columns, false);
            }
        });
        tail.apply(first * out, y);
    });
}

impl Tail<'_> {
    /// To `y`, whole pixels from element `first` of the result on.
    pub(super) fn apply(self, first: usize, y: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || match self {
                Self::Plain => {}
                Self::Bias(bias) => rows(y, bias, |y, bias| *y += bias),
                Self::BiasRelu(bias) => rows(y, bias, |y, bias| *y = relu(*y + bias)),
                Self::Where(x) => {
                    for (y, &x) in y.iter_mut().zip(&x[first..]) {
                        *y = if x > 0.0 { *y } else { 0.0 };
                    }
                }
            },
        );
    }
}

/// `f(y[p], bias)` for each pixel p.
#[inline(always)]
fn rows(y: &mut [f32], bias: &[f32], f: impl Fn(&mut f32, f32)) {
    for y in y.chunks_exact_mut(bias.len()) {
        for (y, &bias) in y.iter_mut().zip(bias) {
            f(y, bias);
        }
    }
}
