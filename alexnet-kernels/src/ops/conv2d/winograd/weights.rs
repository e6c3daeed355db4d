//! Kernels to the transform domain, `G g Gᵀ`, and their gradients back, `Gᵀ · G`.

use candle_core::Result;
use rayon::prelude::*;

use super::tiling::{POSITIONS, TILE};
use crate::cpu::microkernel::MicroTile;
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::vectorized;
use crate::ops::conv2d::geometry::Geometry;

/// The most output channels of a panel.
const WIDEST: usize = 64;

/// A number for each output channel of a panel, in f64: transforms of kernels are few, and so cost
/// little.
type Lanes = [f64; WIDEST];

/// Row `i` of G for a kernel of `taps` in each direction: the powers of the row's interpolation
/// point, scaled so that the constants of Bᵀ are short.
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
        vectorized!(sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x));
    }
}

/// The transformed weights, packed as (groups, panels, 36, C/groups, width).
pub(super) struct Panels {
    pub(super) micro: MicroTile,
    values: Scratch,
}

impl Panels {
    /// Transforms and packs weights; `weight(o, k)` is that of output channel `o` for element `k`
    /// of a patch.
    pub(super) fn new(g: &Geometry, weight: impl Fn(usize, usize) -> f32 + Sync) -> Result<Self> {
        let (channels, group_out) = (g.group_channels(), g.group_out_channels());
        let micro = MicroTile::new(group_out);
        let panels = group_out.div_ceil(micro.width);
        let (taps, floats) = (g.kernel.0, POSITIONS * channels * micro.width);
        let matrix: Vec<Vec<f64>> = (0..TILE).map(|i| row(i, taps)).collect();
        // SAFETY: the loop below writes all of it.
        let mut values = unsafe { Scratch::uninit(g.groups * panels * floats)? };
        values.par_chunks_mut(floats).enumerate().for_each(|(number, values)| {
            let (group, first) = (number / panels, number % panels * micro.width);
            let width = micro.width.min(group_out - first);
            let mut kernel = vec![[0.0; WIDEST]; taps * taps];
            let mut half = vec![[0.0; WIDEST]; TILE * taps];
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
                for position in 0..POSITIONS {
                    let mut transformed = [0.0; WIDEST];
                    for (b, &factor) in matrix[position % TILE].iter().enumerate() {
                        add(&mut transformed, factor, &half[position / TILE * taps + b]);
                    }
                    let to =
                        &mut values[(position * channels + channel) * micro.width..][..micro.width];
                    to.iter_mut().zip(&transformed).for_each(|(to, x)| *to = *x as f32);
                }
            }
        });
        Ok(Self { micro, values })
    }

    /// The panels of one group, each (36, C/groups, width).
    pub(super) fn of_group(&self, g: &Geometry, group: usize) -> impl Iterator<Item = &[f32]> {
        let floats = POSITIONS * g.group_channels() * self.micro.width;
        let panels = g.group_out_channels().div_ceil(self.micro.width);
        self.values.chunks_exact(floats).skip(group * panels).take(panels)
    }
}

/// `dw` (O, kH·kW·C/groups) of the gradients with respect to the transformed weights, (groups,
/// panels, 36, rows, width), of which the first C/groups rows are used.
pub(super) fn transform_back(
    g: &Geometry,
    micro: MicroTile,
    rows: usize,
    sums: &[f32],
    dw: &mut [f32],
) {
    let (channels, group_out, patch) = (g.group_channels(), g.group_out_channels(), g.patch());
    let (taps, floats) = (g.kernel.0, POSITIONS * rows * micro.width);
    let matrix: Vec<Vec<f64>> = (0..TILE).map(|i| row(i, taps)).collect();
    let panels = group_out.div_ceil(micro.width);
    let groups = dw.par_chunks_mut(group_out * patch).zip(sums.par_chunks_exact(panels * floats));
    groups.for_each(|(dw, sums)| {
        let panels = dw.par_chunks_mut(micro.width * patch).zip(sums.par_chunks_exact(floats));
        panels.for_each(|(dw, sums)| {
            panel_transform_back((channels, rows), taps, micro, &matrix, sums, dw)
        });
    });
}

/// `dw` (width, kH·kW·C/groups) of `sums` (36, rows, width).
fn panel_transform_back(
    (channels, rows): (usize, usize),
    taps: usize,
    micro: MicroTile,
    matrix: &[Vec<f64>],
    sums: &[f32],
    dw: &mut [f32],
) {
    let patch = taps * taps * channels;
    let mut half = vec![[0.0; WIDEST]; TILE * taps];
    for channel in 0..channels {
        for (at, half) in half.iter_mut().enumerate() {
            half.fill(0.0);
            for (j, row) in matrix.iter().enumerate() {
                let position = at / taps * TILE + j;
                let mut lanes = [0.0; WIDEST];
                let from = &sums[(position * rows + channel) * micro.width..][..micro.width];
                lanes.iter_mut().zip(from).for_each(|(lane, x)| *lane = f64::from(*x));
                add(half, row[at % taps], &lanes);
            }
        }
        for tap in 0..taps * taps {
            let mut transformed = [0.0; WIDEST];
            for (i, row) in matrix.iter().enumerate() {
                add(&mut transformed, row[tap / taps], &half[i * taps + tap % taps]);
            }
            let to = dw[tap * channels + channel..].iter_mut().step_by(patch);
            to.zip(&transformed).for_each(|(dw, x)| *dw = *x as f32);
        }
    }
}
