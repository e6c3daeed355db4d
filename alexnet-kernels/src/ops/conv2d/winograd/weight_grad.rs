//! The gradient with respect to the weights: a GEMM over all tiles at each of the 36 positions.
//!
//! ```text
//! Bᵀ d B     x   →  inputs (blocks, groups, 36, tiles, C/groups)       for a chunk of blocks
//! A dY Aᵀ    dy  →  grads (blocks, groups, panels, 36, tiles, width)
//! GEMM       sums (groups, panels, 36, C/groups, width) += inputsᵀ · grads
//! Gᵀ · G     sums  →  dw                                               after the last chunk
//! ```

use candle_core::Result;
use pulp::Simd;
use rayon::prelude::*;

use super::tiling::{CHANNEL_STEP, GAP, POSITIONS, Tiling};
use super::transform::{InputLine, OutputGradLine, corner, pixel_pointers, transform_tile};
use super::weights;
use crate::cpu::microkernel::{MicroTile, dispatch_full_tile, gemm_tile};
use crate::cpu::scratch::{Scratch, with_scratch};
use crate::ops::conv2d::geometry::Geometry;

/// The most floats of a chunk's transformed tiles: 64 MiB.
const CHUNK: usize = 16 * 1024 * 1024;

/// The fewest blocks of a chunk, for each thread.
const BLOCKS_PER_THREAD: usize = 2;

/// `dw` (O, kH, kW, C/groups) of `x` (B, H, W, C) and `dy` (B, H', W', O).
pub(in crate::ops::conv2d) fn weight_gradient(
    g: &Geometry,
    tiling: Tiling,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) -> Result<()> {
    let layout = BlockLayout::new(g, tiling);
    let blocks = tiling.blocks(g.batch);
    let matrix = layout.rows * layout.micro.width;
    // A chunk is small enough to stay in a cache until it is multiplied, but not smaller than the
    // sums, which are read and written once per chunk. Any size gives the same bits: sums are over
    // blocks in their order.
    let all = g.groups * layout.panels * POSITIONS * matrix;
    let chunk = (2 * all / layout.block).max(BLOCKS_PER_THREAD * rayon::current_num_threads());
    let chunk = chunk.min(CHUNK / layout.block).clamp(1, blocks);
    // SAFETY: the first chunk writes all sums, and each chunk writes its blocks before it reads
    // them.
    let (mut sums, mut tiles) =
        unsafe { (Scratch::uninit(all)?, Scratch::uninit(chunk * layout.block)?) };
    for first in (0..blocks).step_by(chunk) {
        let count = chunk.min(blocks - first);
        let tiles = &mut tiles[..count * layout.block];
        tiles.par_chunks_mut(layout.block).enumerate().for_each(|(number, to)| {
            let number = first + number;
            with_scratch(g.group_channels().max(layout.micro.width), |zeros| {
                zeros.fill(0.0);
                let task = Transform { g, tiling, layout, number, x, dy, zeros, to };
                pulp::Arch::new().dispatch(task);
            });
        });
        sums.par_chunks_mut(matrix).enumerate().for_each(|(number, sums)| {
            let counts =
                (first..first + count).map(|n| tiling.tile_count(&tiling.block(n, g.batch)));
            let counts: Vec<usize> = counts.collect();
            if first == 0 {
                sums.fill(0.0);
            }
            pulp::Arch::new().dispatch(Gemm { g, layout, counts: &counts, number, tiles, sums });
        });
    }
    weights::transform_back(g, layout.micro, layout.rows, &sums, dw);
    Ok(())
}

/// The parts of a block's transformed tiles, in floats.
#[derive(Clone, Copy)]
struct BlockLayout {
    micro: MicroTile,
    /// Panels of a group.
    panels: usize,
    /// Rows of the sums at a position: C/groups, rounded up to the rows of the micro-kernel.
    rows: usize,
    /// From one position to the next of the inputs, (groups, 36, tiles, C/groups).
    inputs: usize,
    /// From one position to the next of the gradients, (groups, panels, 36, tiles, width), which
    /// follow the inputs.
    grads: usize,
    /// From one block to the next.
    block: usize,
}

impl BlockLayout {
    fn new(g: &Geometry, tiling: Tiling) -> Self {
        let micro = MicroTile::new(g.group_out_channels());
        let panels = g.group_out_channels().div_ceil(micro.width);
        let inputs = tiling.most_tiles() * g.group_channels() + GAP;
        let grads = tiling.most_tiles() * micro.width + GAP;
        let rows = g.group_channels().next_multiple_of(micro.rows);
        let block = g.groups * POSITIONS * (inputs + panels * grads);
        Self { micro, panels, rows, inputs, grads, block }
    }

    /// Where the gradients of a block begin.
    fn gradients_start(self, g: &Geometry) -> usize {
        g.groups * POSITIONS * self.inputs
    }
}

/// Transforms the inputs and gradients of one block.
struct Transform<'a> {
    g: &'a Geometry,
    tiling: Tiling,
    layout: BlockLayout,
    /// The number of the block.
    number: usize,
    /// (B, H, W, C) and (B, H', W', O)
    x: &'a [f32],
    dy: &'a [f32],
    /// A pixel of zeros, which stands for all pixels outside the map.
    zeros: &'a [f32],
    to: &'a mut [f32],
}

impl pulp::WithSimd for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        assert!(CHANNEL_STEP.is_multiple_of(S::F32_LANES));
        match self.tiling.outputs {
            2 => transform::<S, 2>(simd, &mut self),
            _ => transform::<S, 4>(simd, &mut self),
        }
    }
}

#[inline(always)]
fn transform<S: Simd, const M: usize>(simd: S, task: &mut Transform<'_>) {
    let Transform { g, tiling, layout, number, x, dy, zeros, to } = task;
    let block = tiling.block(*number, g.batch);
    let (channels, group_out, width) =
        (g.group_channels(), g.group_out_channels(), layout.micro.width);
    let out_image = g.out_pixels() * g.out_channels;
    let (inputs, grads) = to.split_at_mut(layout.gradients_start(g));
    let end = tiling.tile_count(&block) * channels;
    inputs.chunks_exact_mut(layout.inputs).for_each(|position| position[end..end + GAP].fill(0.0));
    for (t, (image, row, column)) in tiling.tiles_of(&block).enumerate() {
        let x = &x[image * g.image()..][..g.image()];
        let dy = &dy[image * out_image..][..out_image];
        for group in 0..g.groups {
            let map = (g.input.0, g.input.1, g.channels);
            let from = pixel_pointers(x, map, corner(g, M, (row, column)), group * channels, zeros);
            let to = &mut inputs[group * POSITIONS * layout.inputs + t * channels..];
            let to = to[..(POSITIONS - 1) * layout.inputs + channels].as_mut_ptr();
            for c in (0..channels).step_by(S::F32_LANES) {
                // SAFETY: each pixel, and the zeros, has the group's channels; `to` reaches to the
                // last position.
                unsafe { transform_tile(simd, InputLine, &from, c, (to, layout.inputs)) };
            }
            let map = (g.output.0, g.output.1, g.out_channels);
            let corner = ((row * M) as isize, (column * M) as isize);
            for panel in 0..layout.panels {
                let first = panel * width;
                let from = pixel_pointers::<M>(dy, map, corner, group * group_out + first, zeros);
                let start = (group * layout.panels + panel) * POSITIONS * layout.grads + t * width;
                let to = &mut grads[start..][..(POSITIONS - 1) * layout.grads + width];
                let nothing = [[zeros.as_ptr(); M]; M];
                for c in (0..width).step_by(S::F32_LANES) {
                    // A panel may be wider than the group; its channels beyond are zeros.
                    let from = if first + c < group_out { &from } else { &nothing };
                    // SAFETY: as above, for the group's channels of `dy` and a panel.
                    unsafe {
                        transform_tile(
                            simd,
                            OutputGradLine,
                            from,
                            c,
                            (to.as_mut_ptr(), layout.grads),
                        )
                    };
                }
            }
        }
    }
}

/// The GEMM over a chunk's tiles for one group, panel and position.
struct Gemm<'a> {
    g: &'a Geometry,
    layout: BlockLayout,
    /// Tiles of each block.
    counts: &'a [usize],
    /// The number of the position in (groups, panels, 36).
    number: usize,
    tiles: &'a [f32],
    /// (rows, width)
    sums: &'a mut [f32],
}

impl pulp::WithSimd for Gemm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Gemm { g, layout, counts, number, tiles, sums } = self;
        let (channels, micro) = (g.group_channels(), layout.micro);
        let (group, position) = (number / POSITIONS / layout.panels, number % POSITIONS);
        for (block, &count) in tiles.chunks_exact(layout.block).zip(counts) {
            let (inputs, grads) = block.split_at(layout.gradients_start(g));
            // Rows beyond C/groups read on into the next tile, or the gap; their sums are not used.
            let inputs = &inputs[(group * POSITIONS + position) * layout.inputs..];
            let inputs = &inputs[..count * channels + GAP];
            let grads = &grads[number * layout.grads..][..count * micro.width];
            for (number, sums) in sums.chunks_exact_mut(micro.rows * micro.width).enumerate() {
                let first = number * micro.rows;
                assert!(first + micro.rows <= channels + GAP);
                let a = |m: usize, k: usize| inputs.as_ptr().wrapping_add(k * channels + first + m);
                // SAFETY: `inputs` is `count` rows and a gap, so by the assertion all that the
                // last row is read for is there.
                unsafe {
                    dispatch_full_tile!(micro, gemm_tile::<S>(simd, a, (grads, count), true, sums))
                };
            }
        }
    }
}
