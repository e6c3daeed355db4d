//! The forward pass, unit by unit; with turned weights also the gradient by the input.

use candle_core::Result;
use pulp::Simd;
use rayon::prelude::*;

use super::super::epilogue::Tail;
use super::super::geometry::Geometry;
use super::kernels::Panels;
use super::transform::{corner, places, transform_pixels, transform_sums};
use super::{CHANNELS, GAP, PLACES, Tiling, Unit};
use crate::cpu::microkernel::{Tile, add_products, put, store, with_whole_tile};
use crate::cpu::pool::with_scratch;

/// Channels of a block: with 64 results each its weights are 24 KiB, which stay in the first cache.
const BLOCK: usize = 96;

/// `y` (B, H', W', O) of `x` (B, H, W, C); `weight(o, k)` is that of output channel `o` and element `k` of its patch.
pub(in super::super) fn convolve(
    g: &Geometry,
    tiling: Tiling,
    x: &[f32],
    weight: impl Fn(usize, usize) -> f32 + Sync,
    tail: Tail<'_>,
    y: &mut [f32],
) -> Result<()> {
    let panels = Panels::new(g, weight)?;
    let image = g.out_pixels() * g.out_channels;
    let strip = tiling.rows * tiling.results * g.output.1 * g.out_channels;
    let strip = if tiling.strips() == 1 { tiling.images * image } else { strip };
    let runs = y.par_chunks_mut(tiling.images * image).enumerate();
    let tasks = runs.flat_map(|(run, y)| {
        let strips = y.par_chunks_mut(strip).enumerate();
        strips.map(move |(s, y)| (run * tiling.strips() + s, y))
    });
    tasks.for_each(|(number, y)| {
        let unit = tiling.unit(number, g.batch);
        let first = unit.images.start * image
            + unit.rows.start * tiling.results * g.output.1 * g.out_channels;
        let size = Size::new(g, tiling, panels.tile);
        with_scratch(size.floats(), |scratch| {
            let task = Task { g, tiling, unit, x, panels: &panels, size, scratch, y };
            pulp::Arch::new().dispatch(task);
        });
        tail.apply(first, y);
    });
    Ok(())
}

/// Of the scratch memory of a task, in floats.
#[derive(Clone, Copy)]
struct Size {
    /// Pixels outside the map: one.
    zeros: usize,
    /// Between the places of transformed pixels, (36, tiles, C/groups).
    pixels: usize,
    /// Between the places of sums, (36, panels, tiles, width).
    sums: usize,
    /// Tiles there is room for: the products go through them by whole rows of registers.
    tiles: usize,
}

impl Size {
    fn new(g: &Geometry, tiling: Tiling, tile: Tile) -> Self {
        let tiles = tiling.most().next_multiple_of(tile.rows);
        let wide = g.group_out_channels().next_multiple_of(tile.width);
        let channels = g.group_channels();
        Self { zeros: channels, pixels: tiles * channels + GAP, sums: tiles * wide + GAP, tiles }
    }

    fn floats(self) -> usize {
        self.zeros + PLACES * (self.pixels + self.sums)
    }
}

/// One unit of a batch.
struct Task<'a> {
    g: &'a Geometry,
    tiling: Tiling,
    unit: Unit,
    /// (B, H, W, C)
    x: &'a [f32],
    panels: &'a Panels,
    size: Size,
    scratch: &'a mut [f32],
    /// The unit's results.
    y: &'a mut [f32],
}

impl pulp::WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        assert!(CHANNELS.is_multiple_of(S::F32_LANES));
        for group in 0..self.g.groups {
            pixels(simd, &mut self, group);
            products(simd, &mut self, group);
            match self.tiling.results {
                2 => results::<S, 2>(simd, &mut self, group),
                _ => results::<S, 4>(simd, &mut self, group),
            }
        }
    }
}

/// Transforms the pixels of all tiles.
#[inline(always)]
fn pixels<S: Simd>(simd: S, task: &mut Task<'_>, group: usize) {
    let Task { g, tiling, unit, x, size, scratch, .. } = task;
    let channels = g.group_channels();
    let (zeros, scratch) = scratch.split_at_mut(size.zeros);
    zeros.fill(0.0);
    for (t, (image, row, column)) in tiling.places(unit).enumerate() {
        let image = &x[image * g.image()..][..g.image()];
        let map = (g.input.0, g.input.1, g.channels);
        let corner = corner(g, tiling.results, (row, column));
        let from = places(image, map, corner, group * channels, zeros);
        let to = scratch[t * channels..][..(PLACES - 1) * size.pixels + channels].as_mut_ptr();
        for c in (0..channels).step_by(S::F32_LANES) {
            // SAFETY: each pixel, and the zeros, has the group's channels; `to` reaches to the last place.
            unsafe { transform_pixels(simd, &from, c, (to, size.pixels)) };
        }
    }
}

/// Multiplies the matrices at each place.
#[inline(always)]
fn products<S: Simd>(simd: S, task: &mut Task<'_>, group: usize) {
    let Task { g, tiling, unit, panels, size, scratch, .. } = task;
    let (channels, tile) = (g.group_channels(), panels.tile);
    let tiles = tiling.count(unit).next_multiple_of(tile.rows);
    let (pixels, sums) = scratch[size.zeros..].split_at_mut(PLACES * size.pixels);
    let block = channels.div_ceil(channels.div_ceil(BLOCK));
    for place in 0..PLACES {
        let pixels = &pixels[place * size.pixels..][..tiles * channels];
        for (number, panel) in panels.of_group(g, group).enumerate() {
            let panel = &panel[place * channels * tile.width..][..channels * tile.width];
            let start = place * size.sums + number * size.tiles * tile.width;
            let sums = &mut sums[start..][..tiles * tile.width];
            for first in (0..channels).step_by(block) {
                let count = block.min(channels - first);
                let panel = &panel[first * tile.width..][..count * tile.width];
                for t in (0..tiles).step_by(tile.rows) {
                    let pixels = &pixels[t * channels..][..tile.rows * channels];
                    let sums = &mut sums[t * tile.width..][..tile.rows * tile.width];
                    let part = (first, count, channels);
                    with_whole_tile!(tile, product::<S>(simd, pixels, panel, part, sums));
                }
            }
        }
    }
}

/// `sums` (R, width) of `pixels` (R, channels), `count` of them from `first` on, times `panel` (count, width);
/// from the second block on added to what is there, so that no sum is longer than a block.
#[inline(always)]
fn product<S: Simd, const R: usize, const V: usize>(
    simd: S,
    pixels: &[f32],
    panel: &[f32],
    (first, count, channels): (usize, usize, usize),
    sums: &mut [f32],
) {
    let width = V * S::F32_LANES;
    assert!(panel.len() == count * width);
    assert!(pixels.len() == R * channels && first + count <= channels);
    let mut totals = [[simd.splat_f32s(0.0); V]; R];
    let a = |m: usize, k: usize| pixels.as_ptr().wrapping_add(m * channels + first + k);
    // SAFETY: by the assertions, `pixels` has the row m and `panel` the row k.
    unsafe { add_products(simd, &mut totals, a, (panel.as_ptr(), width), count) };
    put(simd, totals, first > 0, sums);
}

/// Transforms the sums to results.
#[inline(always)]
fn results<S: Simd, const M: usize>(simd: S, task: &mut Task<'_>, group: usize) {
    let Task { g, tiling, unit, panels, size, scratch, y, .. } = task;
    let (group_out, tile) = (g.group_out_channels(), panels.tile);
    let ((height, width), out) = (g.output, g.out_channels);
    let sums = &scratch[size.zeros + PLACES * size.pixels..];
    for (t, (image, row, column)) in tiling.places(unit).enumerate() {
        let above = (row - unit.rows.start) * M;
        let pixel = ((image - unit.images.start) * height + above) * width + column * M;
        let (rows, columns) = (M.min(height - row * M), M.min(width - column * M));
        let end = ((rows - 1) * width + columns) * out;
        let y = &mut y[pixel * out..][..end];
        for c in (0..group_out).step_by(S::F32_LANES) {
            let start = (c / tile.width * size.tiles + t) * tile.width + c % tile.width;
            let sums = &sums[start..][..(PLACES - 1) * size.sums + S::F32_LANES];
            // SAFETY: `sums` reaches to the vector at the last place.
            let tile = unsafe { transform_sums::<S, M>(simd, (sums.as_ptr(), size.sums)) };
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
