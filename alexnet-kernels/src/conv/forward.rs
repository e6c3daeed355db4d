//! The forward pass: patches times weights, plus the bias.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::geometry::Geometry;
use crate::dense::{produce, values};
use crate::matrix::{Matrix, multiply, transpose};
use crate::memory::with_scratch;
use crate::simd::vectorized;

/// Floats of a tile of patches: 2 MiB.
const TILE: usize = 512 * 1024;

/// `(x (B, H, W, C), w (O, kH, kW, C/groups), bias (O)) → y (B, H', W', O)`.
pub(super) struct Forward(pub(super) Geometry);

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
        let g = &self.0;
        produce((g.batch, g.output.0, g.output.1, g.out_channels), |y| {
            forward(g, x, w, bias, y);
            Ok(())
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradients = super::backward(self.0, x, w, &dy.contiguous()?, true)?;
        Ok((gradients.input, Some(gradients.weight), Some(gradients.bias)))
    }
}

fn forward(g: &Geometry, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
    let (patch, group_out) = (g.patch(), g.group_out_channels());
    let mut columns = vec![0.0; w.len()];
    for (w, columns) in w.chunks(group_out * patch).zip(columns.chunks_mut(group_out * patch)) {
        transpose(Matrix::row_major(w, group_out, patch), columns, |w, _| w);
    }
    correlate(g, x, &columns, Some(bias), y);
}

/// `y` (B, H', W', O) of `x` (B, H, W, C) and weights by column: (groups, kH·kW·C/groups,
/// O/groups), so that each tile can pack them by copies of whole vectors.
pub(super) fn correlate(
    g: &Geometry,
    x: &[f32],
    columns: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
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
        if let Some(bias) = bias {
            add_to_rows(bias, y);
        }
    });
}

/// `y[p] += bias` for each pixel p.
fn add_to_rows(bias: &[f32], y: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            for y in y.chunks_exact_mut(bias.len()) {
                for (y, bias) in y.iter_mut().zip(bias) {
                    *y += bias;
                }
            }
        },
    );
}
