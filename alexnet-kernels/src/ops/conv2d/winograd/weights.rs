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

/// `(M X)ᵀ`, row-major, of a matrix M and an X with as many rows as M has columns. Twice it gives
/// `M X Mᵀ`.
fn transposed_product(matrix: &[Vec<f64>], x: &[Lanes], out: &mut [Lanes]) {
    let columns = x.len() / matrix[0].len();
    for (at, sum) in out.iter_mut().enumerate() {
        sum.fill(0.0);
        let (column, row) = (at / matrix.len(), &matrix[at % matrix.len()]);
        for (&factor, x) in row.iter().zip(x[column..].iter().step_by(columns)) {
            if factor != 0.0 {
                vectorized!(sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += factor * x));
            }
        }
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
        let (channels, group_out, taps) = (g.group_channels(), g.group_out_channels(), g.kernel.0);
        let micro = MicroTile::new(group_out);
        let panels = group_out.div_ceil(micro.width);
        let matrix: Vec<Vec<f64>> = (0..TILE).map(|i| row(i, taps)).collect();
        let floats = POSITIONS * channels * micro.width;
        // SAFETY: the loop below writes all of it.
        let mut values = unsafe { Scratch::uninit(g.groups * panels * floats)? };
        values.par_chunks_mut(floats).enumerate().for_each(|(number, values)| {
            let (group, first) = (number / panels, number % panels * micro.width);
            let width = micro.width.min(group_out - first);
            let [mut kernel, mut half, mut tile] =
                [taps * taps, taps * TILE, POSITIONS].map(|n| vec![[0.0; WIDEST]; n]);
            for channel in 0..channels {
                for (tap, lanes) in kernel.iter_mut().enumerate() {
                    for (lane, value) in lanes[..width].iter_mut().enumerate() {
                        let o = group * group_out + first + lane;
                        *value = f64::from(weight(o, tap * channels + channel));
                    }
                }
                transposed_product(&matrix, &kernel, &mut half);
                transposed_product(&matrix, &half, &mut tile);
                for (position, lanes) in tile.iter().enumerate() {
                    let start = (position * channels + channel) * micro.width;
                    let to = values[start..][..micro.width].iter_mut();
                    to.zip(lanes).for_each(|(to, x)| *to = *x as f32);
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
    MicroTile { width, .. }: MicroTile,
    rows: usize,
    sums: &[f32],
    dw: &mut [f32],
) {
    let (channels, group_out, patch) = (g.group_channels(), g.group_out_channels(), g.patch());
    let (taps, floats) = (g.kernel.0, POSITIONS * rows * width);
    let column = |j: usize| (0..TILE).map(|i| row(i, taps)[j]).collect();
    let transposed: Vec<Vec<f64>> = (0..taps).map(column).collect();
    let panels = group_out.div_ceil(width);
    let groups = dw.par_chunks_mut(group_out * patch).zip(sums.par_chunks_exact(panels * floats));
    let panels = groups
        .flat_map(|(dw, sums)| dw.par_chunks_mut(width * patch).zip(sums.par_chunks_exact(floats)));
    panels.for_each(|(dw, sums)| {
        let [mut tile, mut half, mut kernel] =
            [POSITIONS, taps * TILE, taps * taps].map(|n| vec![[0.0; WIDEST]; n]);
        for channel in 0..channels {
            // Both are transposed, so that the columns of the tile are summed before its rows.
            for (at, lanes) in tile.iter_mut().enumerate() {
                let position = at % TILE * TILE + at / TILE;
                let from = &sums[(position * rows + channel) * width..][..width];
                lanes.iter_mut().zip(from).for_each(|(lane, x)| *lane = f64::from(*x));
            }
            transposed_product(&transposed, &tile, &mut half);
            transposed_product(&transposed, &half, &mut kernel);
            for (at, lanes) in kernel.iter().enumerate() {
                let tap = at % taps * taps + at / taps;
                let to = dw[tap * channels + channel..].iter_mut().step_by(patch);
                to.zip(lanes).for_each(|(dw, x)| *dw = *x as f32);
            }
        }
    });
}
