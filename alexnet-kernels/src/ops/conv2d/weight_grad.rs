//! The gradients with respect to the weights and the bias: sums over all output pixels of a batch.
//!
//! For each group the gradient is the GEMM of the transposed patches, (kH·kW·C/groups, pixels), and
//! `dy`, (pixels, O/groups). As in `direct.rs`, the micro-kernel reads the patches from the images
//! in place: one element of the patches of a row of output pixels is a column of the image with
//! step stride · C.
//!
//! ```text
//! for each chunk of images and each group         in parallel, to sums (panels, patch, width)
//!   for each image, and each strip of rows of its output, about 96 pixels
//!     for each panel                              pack dy (pixels, width), 24 KiB: in L1
//!       for each tile of R channels of a tap      in the micro-kernel
//! add the sums of the chunks in their order
//! ```
//!
//! All cuts follow from the sizes alone, so the result has the same bits for any number of threads.

use std::ops::Range;

use candle_core::{CpuStorage, Result, Shape};
use pulp::Simd;
use rayon::prelude::*;

use super::geometry::Geometry;
use super::input::{Input, equal, equal_mut};
use super::winograd::strided::Strided;
use super::winograd::tiling::Tiling;
use super::winograd::weight_grad as winograd;
use crate::cpu::elementwise::sum_rows;
use crate::cpu::microkernel::{MicroTile, dispatch_tile, fma_tile, load, store};
use crate::cpu::scratch::{Scratch, uninit, with_scratch};
use crate::cpu::simd::vectorized;
use crate::op::{self, Op, produce};

/// How many tasks there should be, on any machine. More chunks of images would mean more buffers of
/// sums.
const TASKS: usize = 16;

/// The most floats of all buffers, unless one alone has more: 64 MiB.
const BUFFERS: usize = 16 * 1024 * 1024;

/// Output pixels of a strip, about: for 64 channels 24 KiB of `dy`, which stay in the L1 cache.
const STRIP: usize = 96;

/// `(x, dy (B, H', W', O)) → dw (O, kH, kW, C/groups)` and `db (O)`; `x` lies as the input says.
pub(super) struct WeightGrad {
    pub(super) input: Input,
    /// Whether `db` is computed too.
    pub(super) with_bias: bool,
}

impl Op<2> for WeightGrad {
    const NAME: &'static str = "conv2d-weight-gradient";

    fn cpu(&self, [x, dy]: op::CpuInputs<'_, 2>) -> Result<op::CpuOutputs> {
        let (input, x, dy) = (&self.input, x.values()?, dy.values()?);
        let (g, parts) = (input.convolved(), input.parts());
        let dw = produce(input.weight_shape(), |dw| {
            let operands = equal(x, parts).zip(equal(dy, parts));
            equal_mut(dw, parts).zip(operands).try_for_each(|(dw, (x, dy))| match input {
                Input::Pixels(g) | Input::Apart(g, _) => by_the_fastest(g, x, dy, dw),
                Input::Blocks(blocks) => {
                    // SAFETY: the next call writes all of it.
                    let mut plain = unsafe { Scratch::uninit(g.weight_shape().elem_count())? };
                    by_the_fastest(g, x, dy, &mut plain)?;
                    blocks.weights_from_depth(&plain, dw);
                    Ok(())
                }
            })
        })?;
        if !self.with_bias {
            return Ok(dw);
        }
        // SAFETY: `bias_gradient` writes all of it.
        let mut db = unsafe { uninit::<f32>(input.outputs())? };
        for (db, dy) in equal_mut(&mut db, parts).zip(equal(dy, parts)) {
            bias_gradient(g, dy, db);
        }
        Ok(dw.and((CpuStorage::F32(db), Shape::from(input.outputs()))))
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
        super::cuda::weight_grad(&self.input, inputs, self.with_bias)
    }
}

/// `dw` (O, kH·kW·C/groups), by Winograd's transforms where they are faster.
fn by_the_fastest(g: &Geometry, x: &[f32], dy: &[f32], dw: &mut [f32]) -> Result<()> {
    match (Tiling::of(g), Strided::of(g)) {
        (Some(tiling), _) => winograd::weight_gradient(g, tiling, x, dy, dw),
        (None, Some(strided)) => strided.weight_gradient(x, dy, dw),
        (None, None) => weight_gradient(g, x, dy, dw),
    }
}

/// `dw` (O, kH·kW·C/groups).
fn weight_gradient(g: &Geometry, x: &[f32], dy: &[f32], dw: &mut [f32]) -> Result<()> {
    let (patch, group_out) = (g.patch(), g.group_out_channels());
    let tile = MicroTile::new(group_out);
    let panel = patch * tile.width;
    let group_floats = group_out.div_ceil(tile.width) * panel;
    let affordable = (BUFFERS / (g.groups * group_floats)).max(1);
    let chunks = TASKS.div_ceil(g.groups).min(affordable).min(g.batch);
    let images = g.batch.div_ceil(chunks); // of a chunk
    // (chunks, groups, panels, patch, width)
    let floats = g.batch.div_ceil(images) * g.groups * group_floats;
    // SAFETY: the tasks below fill all of it.
    let mut buffers = unsafe { Scratch::uninit(floats)? };
    buffers.par_chunks_mut(group_floats).enumerate().for_each(|(task, sums)| {
        let (chunk, group) = (task / g.groups, task % g.groups);
        let end = ((chunk + 1) * images).min(g.batch);
        sums.fill(0.0);
        for image in chunk * images..end {
            let x = &x[image * g.image()..][..g.image()];
            let dy = &dy[image * g.out_pixels() * g.out_channels..];
            add_image(&Image { g, tile, group, x, dy }, sums);
        }
    });

    // Each task adds the chunks' sums for a panel, and writes them transposed.
    let in_group = group_out.div_ceil(tile.width);
    dw.par_chunks_mut(group_out * patch).enumerate().for_each(|(group, dw)| {
        dw.par_chunks_mut(tile.width * patch).enumerate().for_each(|(number, dw)| {
            let first = (group * in_group + number) * panel;
            let mut total = vec![0.0; tile.width];
            for k in 0..patch {
                total.fill(0.0);
                for chunk in buffers.chunks_exact(g.groups * group_floats) {
                    let part = &chunk[first + k * tile.width..][..tile.width];
                    total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
                }
                for (dw, total) in dw[k..].iter_mut().step_by(patch).zip(&total) {
                    *dw = *total;
                }
            }
        });
    });
    Ok(())
}

/// The gradient of one group's weights, from one image.
#[derive(Clone, Copy)]
struct Image<'a> {
    g: &'a Geometry,
    tile: MicroTile,
    group: usize,
    /// (H, W, C)
    x: &'a [f32],
    /// (H', W', O), and the images after it.
    dy: &'a [f32],
}

/// Adds the gradient from one image to `sums`, (panels, patch, width), strip by strip, so that a
/// strip of `dy` stays in the L1 cache for all elements of the patch.
fn add_image(image: &Image<'_>, sums: &mut [f32]) {
    let Image { g, tile, group, dy, .. } = *image;
    let ((out_h, out_w), group_out) = (g.output, g.group_out_channels());
    let strip = (STRIP / out_w).clamp(1, out_h);
    with_scratch(strip * out_w * tile.width, |packed| {
        for first in (0..out_h).step_by(strip) {
            let rows = first..(first + strip).min(out_h);
            for (panel, sums) in sums.chunks_exact_mut(g.patch() * tile.width).enumerate() {
                let channel = panel * tile.width;
                let width = tile.width.min(group_out - channel);
                let packed = &mut packed[..rows.len() * out_w * tile.width];
                let pixels = packed.chunks_exact_mut(tile.width);
                for (p, row) in (rows.start * out_w..).zip(pixels) {
                    let start = p * g.out_channels + group * group_out + channel;
                    row[..width].copy_from_slice(&dy[start..start + width]);
                    row[width..].fill(0.0);
                }
                let rows = rows.clone();
                pulp::Arch::new().dispatch(Strip { image: *image, rows, dy: packed, sums });
            }
        }
    });
}

/// Some rows of an image's output, and one panel of output channels.
struct Strip<'a> {
    image: Image<'a>,
    rows: Range<usize>,
    /// (rows, W', width)
    dy: &'a [f32],
    /// (patch, width)
    sums: &'a mut [f32],
}

impl pulp::WithSimd for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Image { g, tile, .. } = self.image;
        let (kernel_w, channels) = (g.kernel.1, g.group_channels());
        for tap in 0..g.taps() {
            for channel in (0..channels).step_by(tile.rows) {
                let at = (tap / kernel_w, tap % kernel_w, channel);
                let rows = tile.rows.min(channels - channel);
                dispatch_tile!(tile, rows, add_tile::<S>(simd, &mut self, at));
            }
        }
    }
}

/// Adds a strip to the sums of R neighbouring elements of the patch, from row `i`, column `j` and
/// `channel` on.
#[inline(always)]
fn add_tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    strip: &mut Strip<'_>,
    (i, j, channel): (usize, usize, usize),
) {
    let Strip { image: Image { g, tile, group, x, .. }, rows, dy, sums } = strip;
    let ((h, w), (_, out_w), width) = (g.input, g.output, tile.width);
    let k = (i * g.kernel.1 + j) * g.group_channels() + channel;
    assert!(width == V * S::F32_LANES && channel + R <= g.group_channels());
    let sums = &mut sums[k * width..][..R * width];
    // SAFETY: `sums` is R rows of V vectors.
    let row = |m: usize| unsafe { sums.as_ptr().add(m * width) };
    // SAFETY: as `row`.
    let mut totals: [[S::f32s; V]; R] = std::array::from_fn(|m| unsafe { load(row(m)) });
    // The rows or columns of output pixels for which this tap lies inside the map.
    let inside = |tap: usize, padding: usize, input: usize, output: usize| {
        let first = padding.saturating_sub(tap).div_ceil(g.stride);
        let end = (input + padding).saturating_sub(tap).div_ceil(g.stride).min(output);
        first.min(end)..end
    };
    let columns = inside(j, g.padding.left, w, out_w);
    let rows_inside = inside(i, g.padding.top, h, g.output.0);
    if columns.is_empty() {
        return;
    }
    for out_h in rows.start.max(rows_inside.start)..rows.end.min(rows_inside.end) {
        let pixel = (out_h * g.stride + i - g.padding.top) * w
            + (columns.start * g.stride + j - g.padding.left);
        let step = g.stride * g.channels;
        let first = pixel * g.channels + *group * g.group_channels() + channel;
        let x = &x[first..first + (columns.len() - 1) * step + R];
        let dy = &dy[((out_h - rows.start) * out_w + columns.start) * width..];
        let dy = &dy[..columns.len() * width];
        let a = |m: usize, k: usize| x.as_ptr().wrapping_add(k * step + m);
        // SAFETY: `x` reaches to the R floats of the last column, `dy` to its row.
        unsafe { fma_tile(simd, &mut totals, a, (dy.as_ptr(), width), columns.len()) };
    }
    for (m, totals) in totals.into_iter().enumerate() {
        // SAFETY: `sums` is R rows of V vectors.
        unsafe { store(totals, sums.as_mut_ptr().add(m * width)) };
    }
}

/// `db` (O): the sum of the rows of `dy`, first within each image.
fn bias_gradient(g: &Geometry, dy: &[f32], db: &mut [f32]) {
    let images = dy.par_chunks_exact(g.out_pixels() * g.out_channels);
    let mut sums = vec![0.0; g.batch * g.out_channels];
    sums.par_chunks_exact_mut(g.out_channels).zip(images).for_each(|(sums, dy)| {
        vectorized!(for row in dy.chunks_exact(g.out_channels) {
            for (sum, dy) in sums.iter_mut().zip(row) {
                *sum += dy;
            }
        });
    });
    sum_rows(&sums, db);
}
