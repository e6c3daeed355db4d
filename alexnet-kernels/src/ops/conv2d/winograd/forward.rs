//! The forward pass. With rotated kernels it is also the gradient with respect to the input.

use candle_core::Result;
use pulp::Simd;
use rayon::prelude::*;

use super::tiling::{CHANNEL_STEP, GAP, POSITIONS, TileBlock, Tiling};
use super::transform::{InputLine, corner, output_transform, pixel_pointers, transform_tile};
use super::weights::Panels;
use crate::cpu::microkernel::{MicroTile, dispatch_full_tile, gemm_tile, store};
use crate::cpu::scratch::with_scratch;
use crate::ops::conv2d::epilogue::Epilogue;
use crate::ops::conv2d::geometry::Geometry;

/// Input channels that the GEMM sums at a time: their weights for a panel of 64 output channels are
/// 24 KiB, which stay in the L1 cache.
const CHANNEL_BLOCK: usize = 96;

/// `y` (B, H', W', O) of `x` (B, H, W, C); `weight(o, k)` is the weight of output channel `o` for
/// element `k` of a patch.
pub(in crate::ops::conv2d) fn convolve(
    g: &Geometry,
    tiling: Tiling,
    x: &[f32],
    weight: impl Fn(usize, usize) -> f32 + Sync,
    epilogue: Epilogue<'_>,
    y: &mut [f32],
) -> Result<()> {
    let panels = Panels::new(g, weight)?;
    let image = g.out_pixels() * g.out_channels;
    let strip = tiling.rows * tiling.outputs * g.output.1 * g.out_channels;
    let strip = if tiling.strips() == 1 { tiling.images * image } else { strip };
    let chunks = y.par_chunks_mut(tiling.images * image).enumerate();
    let tasks = chunks.flat_map(|(chunk, y)| {
        let strips = y.par_chunks_mut(strip).enumerate();
        strips.map(move |(s, y)| (chunk * tiling.strips() + s, y))
    });
    tasks.for_each(|(number, y)| {
        let block = tiling.block(number, g.batch);
        let first = block.images.start * image
            + block.rows.start * tiling.outputs * g.output.1 * g.out_channels;
        let layout = ScratchLayout::new(g, tiling, panels.micro);
        with_scratch(layout.floats(), |scratch| {
            let task = Task { g, tiling, block, x, panels: &panels, layout, scratch, y };
            pulp::Arch::new().dispatch(task);
        });
        epilogue.apply(first, y);
    });
    Ok(())
}

/// The parts of a task's scratch memory, in floats.
#[derive(Clone, Copy)]
struct ScratchLayout {
    /// One pixel of zeros, which stands for all pixels outside the map.
    zeros: usize,
    /// From one position to the next of the transformed inputs, (36, tiles, C/groups).
    inputs: usize,
    /// From one position to the next of the sums, (36, panels, tiles, width).
    sums: usize,
    /// Tiles that there is room for: a multiple of the rows of the micro-kernel.
    tiles: usize,
}

impl ScratchLayout {
    fn new(g: &Geometry, tiling: Tiling, micro: MicroTile) -> Self {
        let tiles = tiling.most_tiles().next_multiple_of(micro.rows);
        let wide = g.group_out_channels().next_multiple_of(micro.width);
        let channels = g.group_channels();
        Self { zeros: channels, inputs: tiles * channels + GAP, sums: tiles * wide + GAP, tiles }
    }

    fn floats(self) -> usize {
        self.zeros + POSITIONS * (self.inputs + self.sums)
    }
}

/// The three steps for one block.
struct Task<'a> {
    g: &'a Geometry,
    tiling: Tiling,
    block: TileBlock,
    /// (B, H, W, C)
    x: &'a [f32],
    panels: &'a Panels,
    layout: ScratchLayout,
    scratch: &'a mut [f32],
    /// The outputs of the block.
    y: &'a mut [f32],
}

impl pulp::WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        assert!(CHANNEL_STEP.is_multiple_of(S::F32_LANES));
        for group in 0..self.g.groups {
            transform_inputs(simd, &mut self, group);
            multiply(simd, &mut self, group);
            match self.tiling.outputs {
                2 => transform_outputs::<S, 2>(simd, &mut self, group),
                _ => transform_outputs::<S, 4>(simd, &mut self, group),
            }
        }
    }
}

/// `Bᵀ d B` of all tiles, for the channels of one group.
#[inline(always)]
fn transform_inputs<S: Simd>(simd: S, task: &mut Task<'_>, group: usize) {
    let Task { g, tiling, block, x, layout, scratch, .. } = task;
    let channels = g.group_channels();
    let (zeros, inputs) = scratch.split_at_mut(layout.zeros);
    zeros.fill(0.0);
    for (t, (image, row, column)) in tiling.tiles_of(block).enumerate() {
        let image = &x[image * g.image()..][..g.image()];
        let map = (g.input.0, g.input.1, g.channels);
        let corner = corner(g, tiling.outputs, (row, column));
        let from = pixel_pointers(image, map, corner, group * channels, zeros);
        let to = inputs[t * channels..][..(POSITIONS - 1) * layout.inputs + channels].as_mut_ptr();
        for c in (0..channels).step_by(S::F32_LANES) {
            // SAFETY: each pixel, and the zeros, has the group's channels; `to` reaches to the last
            // position.
            unsafe { transform_tile(simd, InputLine, &from, c, (to, layout.inputs)) };
        }
    }
}

/// The GEMM at each position, (tiles, C/groups) · (C/groups, width) for each panel.
#[inline(always)]
fn multiply<S: Simd>(simd: S, task: &mut Task<'_>, group: usize) {
    let Task { g, tiling, block, panels, layout, scratch, .. } = task;
    let (channels, micro) = (g.group_channels(), panels.micro);
    let tiles = tiling.tile_count(block).next_multiple_of(micro.rows);
    let (inputs, sums) = scratch[layout.zeros..].split_at_mut(POSITIONS * layout.inputs);
    let channel_block = channels.div_ceil(channels.div_ceil(CHANNEL_BLOCK));
    for position in 0..POSITIONS {
        let inputs = &inputs[position * layout.inputs..][..tiles * channels];
        for (number, panel) in panels.of_group(g, group).enumerate() {
            let panel = &panel[position * channels * micro.width..][..channels * micro.width];
            let start = position * layout.sums + number * layout.tiles * micro.width;
            let sums = &mut sums[start..][..tiles * micro.width];
            for first in (0..channels).step_by(channel_block) {
                let count = channel_block.min(channels - first);
                let panel = &panel[first * micro.width..][..count * micro.width];
                for t in (0..tiles).step_by(micro.rows) {
                    let inputs = &inputs[t * channels..][..micro.rows * channels];
                    let sums = &mut sums[t * micro.width..][..micro.rows * micro.width];
                    let a =
                        |m: usize, k: usize| inputs.as_ptr().wrapping_add(m * channels + first + k);
                    // From the second block of channels on we add to the sums, so that no sum in
                    // f32 is longer than a block.
                    // SAFETY: `inputs` has the row m, and it has the element first + k.
                    unsafe {
                        dispatch_full_tile!(
                            micro,
                            gemm_tile::<S>(simd, a, (panel, count), first > 0, sums)
                        )
                    };
                }
            }
        }
    }
}

/// `Aᵀ · A` of the sums of all tiles, for the output channels of one group.
#[inline(always)]
fn transform_outputs<S: Simd, const M: usize>(simd: S, task: &mut Task<'_>, group: usize) {
    let Task { g, tiling, block, panels, layout, scratch, y, .. } = task;
    let (group_out, micro) = (g.group_out_channels(), panels.micro);
    let ((height, width), out) = (g.output, g.out_channels);
    let sums = &scratch[layout.zeros + POSITIONS * layout.inputs..];
    for (t, (image, row, column)) in tiling.tiles_of(block).enumerate() {
        let above = (row - block.rows.start) * M;
        let pixel = ((image - block.images.start) * height + above) * width + column * M;
        let (rows, columns) = (M.min(height - row * M), M.min(width - column * M));
        let end = ((rows - 1) * width + columns) * out;
        let y = &mut y[pixel * out..][..end];
        for c in (0..group_out).step_by(S::F32_LANES) {
            let start = (c / micro.width * layout.tiles + t) * micro.width + c % micro.width;
            let sums = &sums[start..][..(POSITIONS - 1) * layout.sums + S::F32_LANES];
            // SAFETY: `sums` reaches to the vector at the last position.
            let tile = unsafe { output_transform::<S, M>(simd, (sums.as_ptr(), layout.sums)) };
            for (i, line) in tile.into_iter().take(rows).enumerate() {
                for (j, vector) in line.into_iter().take(columns).enumerate() {
                    let at = (i * width + j) * out + group * group_out + c;
                    // SAFETY: `y` reaches to the last pixel of the tile in the map.
                    unsafe { store([vector], y[at..][..S::F32_LANES].as_mut_ptr()) };
                }
            }
        }
    }
}
