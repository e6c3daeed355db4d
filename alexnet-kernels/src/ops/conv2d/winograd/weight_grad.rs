//! The gradient by the weights: a product of matrices over all tiles, at each of the 36 places.

use candle_core::Result;
use pulp::Simd;
use rayon::prelude::*;

use super::super::geometry::Geometry;
use super::transform::{corner, places, transform_gradients, transform_pixels};
use super::{CHANNELS, GAP, PLACES, Tiling, kernels};
use crate::cpu::microkernel::{Tile, add_products, put, with_whole_tile};
use crate::cpu::pool::{lend, with_scratch};

/// Floats of transformed tiles at a time, at most: 64 MiB.
const CHUNK: usize = 16 * 1024 * 1024;

/// Units of a chunk for each thread, at least.
const UNITS: usize = 2;

/// `dw` (O, kH, kW, C/groups) of `x` (B, H, W, C) and `dy` (B, H', W', O).
pub(in super::super) fn weight_gradient(
    g: &Geometry,
    tiling: Tiling,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) -> Result<()> {
    let size = Size::new(g, tiling);
    let units = tiling.units(g.batch);
    let matrix = size.rows * size.tile.width;
    // Few enough that they stay in a cache until they are multiplied, but not less than the sums, which each
    // chunk goes through once more. Any number gives the same bits.
    let all = g.groups * size.panels * PLACES * matrix;
    let chunk = (2 * all / size.unit).max(UNITS * rayon::current_num_threads());
    let chunk = chunk.min(CHUNK / size.unit).clamp(1, units);
    // SAFETY: the first chunk writes all sums, each chunk its units before it reads them.
    let (mut sums, mut tiles) = unsafe { (lend(all)?, lend(chunk * size.unit)?) };
    for first in (0..units).step_by(chunk) {
        let count = chunk.min(units - first);
        let tiles = &mut tiles[..count * size.unit];
        tiles.par_chunks_mut(size.unit).enumerate().for_each(|(number, to)| {
            let number = first + number;
            with_scratch(g.group_channels().max(size.tile.width), |zeros| {
                zeros.fill(0.0);
                pulp::Arch::new().dispatch(Transform { g, tiling, size, number, x, dy, zeros, to });
            });
        });
        sums.par_chunks_mut(matrix).enumerate().for_each(|(number, sums)| {
            let counts = (first..first + count).map(|n| tiling.count(&tiling.unit(n, g.batch)));
            let counts: Vec<usize> = counts.collect();
            if first == 0 {
                sums.fill(0.0);
            }
            pulp::Arch::new().dispatch(Sum { g, size, counts: &counts, number, tiles, sums });
        });
    }
    kernels::back(g, size.tile, size.rows, &sums, dw);
    Ok(())
}

/// Of a unit's transformed tiles, in floats.
#[derive(Clone, Copy)]
struct Size {
    tile: Tile,
    /// Panels of a group.
    panels: usize,
    /// Rows of a sum: the channels, filled up to whole rows of registers.
    rows: usize,
    /// Between the places of pixels, (groups, 36, tiles, C/groups) and the gap.
    pixels: usize,
    /// Between the places of gradients, (groups, panels, 36, tiles, width), which lie behind.
    gradients: usize,
    /// Between units.
    unit: usize,
}

impl Size {
    fn new(g: &Geometry, tiling: Tiling) -> Self {
        let tile = Tile::new(g.group_out_channels());
        let panels = g.group_out_channels().div_ceil(tile.width);
        let pixels = tiling.most() * g.group_channels() + GAP;
        let gradients = tiling.most() * tile.width + GAP;
        let rows = g.group_channels().next_multiple_of(tile.rows);
        let unit = g.groups * PLACES * (pixels + panels * gradients);
        Self { tile, panels, rows, pixels, gradients, unit }
    }

    /// Where a unit's gradients begin.
    fn behind(self, g: &Geometry) -> usize {
        g.groups * PLACES * self.pixels
    }
}

/// Both transforms of a unit.
struct Transform<'a> {
    g: &'a Geometry,
    tiling: Tiling,
    size: Size,
    /// Of the unit.
    number: usize,
    /// (B, H, W, C) and (B, H', W', O)
    x: &'a [f32],
    dy: &'a [f32],
    /// A pixel outside the map.
    zeros: &'a [f32],
    to: &'a mut [f32],
}

impl pulp::WithSimd for Transform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        assert!(CHANNELS.is_multiple_of(S::F32_LANES));
        match self.tiling.results {
            2 => transform::<S, 2>(simd, &mut self),
            _ => transform::<S, 4>(simd, &mut self),
        }
    }
}

#[inline(always)]
fn transform<S: Simd, const M: usize>(simd: S, task: &mut Transform<'_>) {
    let Transform { g, tiling, size, number, x, dy, zeros, to } = task;
    let unit = tiling.unit(*number, g.batch);
    let (channels, group_out, width) =
        (g.group_channels(), g.group_out_channels(), size.tile.width);
    let out_image = g.out_pixels() * g.out_channels;
    let (pixels, gradients) = to.split_at_mut(size.behind(g));
    let end = tiling.count(&unit) * channels;
    pixels.chunks_exact_mut(size.pixels).for_each(|place| place[end..end + GAP].fill(0.0));
    for (t, (image, row, column)) in tiling.places(&unit).enumerate() {
        let x = &x[image * g.image()..][..g.image()];
        let dy = &dy[image * out_image..][..out_image];
        for group in 0..g.groups {
            let map = (g.input.0, g.input.1, g.channels);
            let from = places(x, map, corner(g, M, (row, column)), group * channels, zeros);
            let to = &mut pixels[group * PLACES * size.pixels + t * channels..];
            let to = to[..(PLACES - 1) * size.pixels + channels].as_mut_ptr();
            for c in (0..channels).step_by(S::F32_LANES) {
                // SAFETY: each pixel, and the zeros, has the group's channels; `to` reaches to the last place.
                unsafe { transform_pixels(simd, &from, c, (to, size.pixels)) };
            }
            let map = (g.output.0, g.output.1, g.out_channels);
            let corner = ((row * M) as isize, (column * M) as isize);
            for panel in 0..size.panels {
                let first = panel * width;
                let from = places::<M>(dy, map, corner, group * group_out + first, zeros);
                let start = (group * size.panels + panel) * PLACES * size.gradients + t * width;
                let to = &mut gradients[start..][..(PLACES - 1) * size.gradients + width];
                let nothing = [[zeros.as_ptr(); M]; M];
                for c in (0..width).step_by(S::F32_LANES) {
                    // Behind the last channel of the group there is nothing.
                    let from = if first + c < group_out { &from } else { &nothing };
                    // SAFETY: as above, for the group's channels of `dy` and a panel.
                    unsafe {
                        transform_gradients(simd, from, c, (to.as_mut_ptr(), size.gradients))
                    };
                }
            }
        }
    }
}

/// The sums over some units for one group, panel and place.
struct Sum<'a> {
    g: &'a Geometry,
    size: Size,
    /// Tiles of each unit.
    counts: &'a [usize],
    /// Of the sums: (groups, panels, 36).
    number: usize,
    tiles: &'a [f32],
    /// (rows, width)
    sums: &'a mut [f32],
}

impl pulp::WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Sum { g, size, counts, number, tiles, sums } = self;
        let (channels, tile) = (g.group_channels(), size.tile);
        let (group, place) = (number / PLACES / size.panels, number % PLACES);
        for (unit, &count) in tiles.chunks_exact(size.unit).zip(counts) {
            let (pixels, gradients) = unit.split_at(size.behind(g));
            // The last rows may read on into the next pixel, or the gap: nobody reads their sums.
            let pixels = &pixels[(group * PLACES + place) * size.pixels..];
            let pixels = &pixels[..count * channels + GAP];
            let gradients = &gradients[number * size.gradients..][..count * tile.width];
            for (number, sums) in sums.chunks_exact_mut(tile.rows * tile.width).enumerate() {
                let part = (number * tile.rows, channels, count);
                with_whole_tile!(tile, product::<S>(simd, pixels, gradients, part, sums));
            }
        }
    }
}

/// Adds to `sums` (R, width) the product of `pixels` (count, channels), R of them from `first` on, transposed,
/// and `gradients` (count, width). Behind `pixels` lies a gap.
#[inline(always)]
fn product<S: Simd, const R: usize, const V: usize>(
    simd: S,
    pixels: &[f32],
    gradients: &[f32],
    (first, channels, count): (usize, usize, usize),
    sums: &mut [f32],
) {
    let width = V * S::F32_LANES;
    assert!(gradients.len() == count * width);
    assert!(pixels.len() == count * channels + GAP && first + R <= channels + GAP);
    let mut totals = [[simd.splat_f32s(0.0); V]; R];
    let a = |m: usize, k: usize| pixels.as_ptr().wrapping_add(k * channels + first + m);
    // SAFETY: by the assertions, both have the row k, and that of `pixels` R floats from `first` on.
    unsafe { add_products(simd, &mut totals, a, (gradients.as_ptr(), width), count) };
    put(simd, totals, true, sums);
}
