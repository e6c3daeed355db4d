//! The gradients by weights and bias: a sum over all output pixels of a batch.
//!
//! The weights are cut into blocks, of one group and some taps, and the batch into chunks of
//! images; each task sums one block over one chunk in its own buffer. Buffers are then added in
//! the order of the chunks. All cuts follow from the sizes alone.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape};
use rayon::prelude::*;

use super::geometry::Geometry;
use crate::dense::{produce, values};
use crate::matrix::{Matrix, multiply};
use crate::memory::{lend, with_scratch};
use crate::simd::vectorized;

/// Floats of a tile of patches: 512 KiB, so that it stays in the second cache beside `dy`.
const TILE: usize = 128 * 1024;

/// Columns a block of weights has about: enough for `gemm` to be fast, few enough for a tile to
/// have many pixels.
const BLOCK: usize = 256;

/// Tasks wanted, for any machine; a chunk of images more is a buffer more.
const TASKS: usize = 32;

/// Floats of all buffers at most, unless one chunk has more: 64 MiB.
const BUFFERS: usize = 16 * 1024 * 1024;

/// `(x (B, H, W, C), dy (B, H', W', O)) → dw (O, kH, kW, C/groups), then db (O)`, in one row.
pub(super) struct ParameterGradients(pub(super) Geometry);

impl CustomOp2 for ParameterGradients {
    fn name(&self) -> &'static str {
        "conv2d-parameter-gradients"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        dy: &CpuStorage,
        dy_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, dy) = (values("conv2d", x, x_l)?, values("conv2d", dy, dy_l)?);
        let g = &self.0;
        let weights = g.out_channels * g.patch();
        produce(weights + g.out_channels, |gradients| {
            let (dw, db) = gradients.split_at_mut(weights);
            bias_gradient(g, dy, db);
            weight_gradient(g, x, dy, dw)
        })
    }
}

/// How the sum is cut.
struct Cut {
    /// Taps of a block of weights; the last block may have fewer.
    taps: usize,
    /// Images of a chunk; the last chunk may have fewer.
    images: usize,
}

impl Cut {
    fn new(g: &Geometry) -> Self {
        // As equal as they can be at about `BLOCK` columns.
        let blocks = g.patch().div_ceil(BLOCK).min(g.taps());
        let taps = g.taps().div_ceil(blocks);
        let tasks = g.groups * g.taps().div_ceil(taps);
        let affordable = (BUFFERS / (g.out_channels * g.patch())).max(1);
        let chunks = TASKS.div_ceil(tasks).min(affordable).min(g.batch);
        Self { taps, images: g.batch.div_ceil(chunks) }
    }
}

/// `dw` (O, kH·kW·C/groups).
fn weight_gradient(g: &Geometry, x: &[f32], dy: &[f32], dw: &mut [f32]) -> Result<()> {
    let (cut, patch, group_out) = (Cut::new(g), g.patch(), g.group_out_channels());
    // Buffers are (chunk, group, block of taps), each (O/groups, taps · C/groups).
    let floats = g.batch.div_ceil(cut.images) * dw.len();
    // SAFETY: the tasks below are all blocks of all buffers, and each writes its block first.
    let mut buffers = unsafe { lend(floats)? };
    let chunks = buffers.par_chunks_mut(dw.len()).enumerate();
    let tasks = chunks.flat_map(|(chunk, buffer)| {
        let groups = buffer.par_chunks_mut(group_out * patch).enumerate();
        groups.flat_map(move |(group, buffer)| {
            let block = group_out * cut.taps * g.group_channels();
            let blocks = buffer.par_chunks_mut(block).enumerate();
            blocks.map(move |(block, buffer)| (chunk, group, block, buffer))
        })
    });
    tasks.for_each(|(chunk, group, block, buffer)| {
        let images = chunk * cut.images..((chunk + 1) * cut.images).min(g.batch);
        let taps = block * cut.taps..((block + 1) * cut.taps).min(g.taps());
        block_gradient(g, (x, dy), images, taps, group, buffer);
    });

    let rows = dw.par_chunks_exact_mut(patch).enumerate();
    rows.for_each(|(o, dw)| {
        dw.fill(0.0);
        let (group, row) = (o / group_out, o % group_out);
        for buffer in buffers.chunks_exact(g.out_channels * patch) {
            let buffer = &buffer[group * group_out * patch..][..group_out * patch];
            let columns = cut.taps * g.group_channels();
            let blocks = buffer.chunks(group_out * columns);
            for (dw, block) in dw.chunks_mut(columns).zip(blocks) {
                let block = &block[row * dw.len()..][..dw.len()];
                for (dw, block) in dw.iter_mut().zip(block) {
                    *dw += block;
                }
            }
        }
    });
    Ok(())
}

/// The gradient of one block of weights over some images, (O/groups, taps · C/groups).
fn block_gradient(
    g: &Geometry,
    (x, dy): (&[f32], &[f32]),
    images: Range<usize>,
    taps: Range<usize>,
    group: usize,
    dw: &mut [f32],
) {
    let (out, group_out) = (g.out_channels, g.group_out_channels());
    let columns = taps.len() * g.group_channels();
    let (first, end) = (images.start * g.out_pixels(), images.end * g.out_pixels());
    let tile_pixels = (TILE / columns).max(8);
    for tile in (first..end).step_by(tile_pixels) {
        let pixels = tile_pixels.min(end - tile);
        with_scratch(pixels * columns, |patches| {
            g.gather(x, tile..tile + pixels, taps.clone(), group, patches);
            let dy = &dy[tile * out + group * group_out..];
            let (dy, patches) = (
                Matrix::new(dy, (pixels, group_out), (out, 1)).transposed(),
                Matrix::row_major(patches, pixels, columns),
            );
            multiply(dw, columns, dy, patches, tile > first);
        });
    }
}

/// `db` (O): sums of the rows of `dy`, image by image.
fn bias_gradient(g: &Geometry, dy: &[f32], db: &mut [f32]) {
    let images = dy.par_chunks_exact(g.out_pixels() * g.out_channels);
    let sums: Vec<Vec<f32>> = images
        .map(|dy| {
            let mut sums = vec![0.0; g.out_channels];
            vectorized(
                #[inline(always)]
                || {
                    for row in dy.chunks_exact(g.out_channels) {
                        for (sum, dy) in sums.iter_mut().zip(row) {
                            *sum += dy;
                        }
                    }
                },
            );
            sums
        })
        .collect();
    crate::gradients::sum_rows(&sums.concat(), db);
}
