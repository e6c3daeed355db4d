//! Weights to their 36 transformed matrices, and the gradients of those back.

use candle_core::Result;
use rayon::prelude::*;

use super::super::geometry::Geometry;
use super::{PLACES, SIDE};
use crate::cpu::microkernel::Tile;
use crate::cpu::pool::{Lent, lend};
use crate::cpu::simd::vectorized;

/// Channels of a panel at most.
const WIDEST: usize = 64;

/// A number for each channel of a panel. The transforms of weights are few: they are done in f64.
type Lanes = [f64; WIDEST];

/// Row `i` of G for a kernel of `taps`: the powers of its point, scaled so that Bᵀ has short numbers.
fn row(i: usize, taps: usize) -> Vec<f64> {
    let (scale, point) = match i {
        0 => (1.0, 0.0),
        1 => (1.0 / 3.0, 1.0),
        2 => (1.0 / 3.0, -1.0),
        3 => (1.0 / 15.0, 2.0),
        4 => (16.0 / 15.0, -0.5),
        _ => return (0..taps).map(|j| if j + 1 == taps { 1.0 } else { 0.0 }).collect(),
    };
    (0..taps as i32).map(|j| scale * f64::powi(point, j)).collect()
}

/// `sum += factor · x`
fn add(sum: &mut Lanes, factor: f64, x: &Lanes) {
    if factor != 0.0 {
        vectorized(
            #[inline(always)]
            || sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x),
        );
    }
}

/// Transformed weights, (groups, panels, 36, C/groups, width).
pub(super) struct Panels {
    pub(super) tile: Tile,
    values: Lent,
}

impl Panels {
    /// Of weights; `weight(o, k)` is that of output channel `o` and element `k` of its patch.
    pub(super) fn new(g: &Geometry, weight: impl Fn(usize, usize) -> f32 + Sync) -> Result<Self> {
        let (channels, group_out) = (g.group_channels(), g.group_out_channels());
        let tile = Tile::new(group_out);
        let panels = group_out.div_ceil(tile.width);
        let (taps, floats) = (g.kernel.0, PLACES * channels * tile.width);
        let matrix: Vec<Vec<f64>> = (0..SIDE).map(|i| row(i, taps)).collect();
        // SAFETY: the loop below writes all of it.
        let mut values = unsafe { lend(g.groups * panels * floats)? };
        values.par_chunks_mut(floats).enumerate().for_each(|(number, values)| {
            let (group, first) = (number / panels, number % panels * tile.width);
            let width = tile.width.min(group_out - first);
            let mut kernel = vec![[0.0; WIDEST]; taps * taps];
            let mut half = vec![[0.0; WIDEST]; SIDE * taps];
            for channel in 0..channels {
                for (tap, lanes) in kernel.iter_mut().enumerate() {
                    for (lane, value) in lanes[..width].iter_mut().enumerate() {
                        let o = group * group_out + first + lane;
                        *value = f64::from(weight(o, tap * channels + channel));
                    }
                }
                for (at, half) in half.iter_mut().enumerate() {
                    half.fill(0.0);
                    for (a, &factor) in matrix[at / taps].iter().enumerate() {
                        add(half, factor, &kernel[a * taps + at % taps]);
                    }
                }
                for place in 0..PLACES {
                    let mut whole = [0.0; WIDEST];
                    for (b, &factor) in matrix[place % SIDE].iter().enumerate() {
                        add(&mut whole, factor, &half[place / SIDE * taps + b]);
                    }
                    let to = &mut values[(place * channels + channel) * tile.width..][..tile.width];
                    to.iter_mut().zip(&whole).for_each(|(to, x)| *to = *x as f32);
                }
            }
        });
        Ok(Self { tile, values })
    }

    /// The panels of one group, each (36, C/groups, width).
    pub(super) fn of_group(&self, g: &Geometry, group: usize) -> impl Iterator<Item = &[f32]> {
        let floats = PLACES * g.group_channels() * self.tile.width;
        let panels = g.group_out_channels().div_ceil(self.tile.width);
        self.values.chunks_exact(floats).skip(group * panels).take(panels)
    }
}

/// `dw` (O, kH·kW·C/groups) from the gradients of the transformed weights (groups, panels, 36, rows, width),
/// of which the first C/groups rows count.
pub(super) fn back(g: &Geometry, tile: Tile, rows: usize, sums: &[f32], dw: &mut [f32]) {
    let (channels, group_out, patch) = (g.group_channels(), g.group_out_channels(), g.patch());
    let (taps, floats) = (g.kernel.0, PLACES * rows * tile.width);
    let matrix: Vec<Vec<f64>> = (0..SIDE).map(|i| row(i, taps)).collect();
    let panels = group_out.div_ceil(tile.width);
    let groups = dw.par_chunks_mut(group_out * patch).zip(sums.par_chunks_exact(panels * floats));
    groups.for_each(|(dw, sums)| {
        let panels = dw.par_chunks_mut(tile.width * patch).zip(sums.par_chunks_exact(floats));
        panels.for_each(|(dw, sums)| panel_back((channels, rows), taps, tile, &matrix, sums, dw));
    });
}

/// `dw` (width, kH·kW·C/groups) from `sums` (36, rows, width).
fn panel_back(
    (channels, rows): (usize, usize),
    taps: usize,
    tile: Tile,
    matrix: &[Vec<f64>],
    sums: &[f32],
    dw: &mut [f32],
) {
    let patch = taps * taps * channels;
    let mut half = vec![[0.0; WIDEST]; SIDE * taps];
    for channel in 0..channels {
        for (at, half) in half.iter_mut().enumerate() {
            half.fill(0.0);
            for (j, row) in matrix.iter().enumerate() {
                let place = at / taps * SIDE + j;
                let mut lanes = [0.0; WIDEST];
                let from = &sums[(place * rows + channel) * tile.width..][..tile.width];
                lanes.iter_mut().zip(from).for_each(|(lane, x)| *lane = f64::from(*x));
                add(half, row[at % taps], &lanes);
            }
        }
        for tap in 0..taps * taps {
            let mut whole = [0.0; WIDEST];
            for (i, row) in matrix.iter().enumerate() {
                add(&mut whole, row[tap / taps], &half[i * taps + tap % taps]);
            }
            let to = dw[tap * channels + channel..].iter_mut().step_by(patch);
            to.zip(&whole).for_each(|(dw, x)| *dw = *x as f32);
        }
    }
}
