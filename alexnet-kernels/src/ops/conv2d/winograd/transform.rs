//! The transforms of a tile, on vectors of channels: first along the rows of the tile, then along
//! its columns.

use pulp::Simd;

use super::tiling::TILE;
use crate::cpu::microkernel::{load, store};
use crate::ops::conv2d::geometry::Geometry;

/// The transform of a line of N vectors to a line of P. This is a trait because only inlined code
/// is compiled for the machine's vectors, and a function that is passed as an argument is not
/// inlined.
pub(super) trait LineTransform<const N: usize, const P: usize> {
    fn apply<S: Simd>(&self, s: S, line: [S::f32s; N]) -> [S::f32s; P];
}

/// `Bᵀ d` of a line of pixels.
pub(super) struct InputLine;

impl LineTransform<TILE, TILE> for InputLine {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [d0, d1, d2, d3, d4, d5]: [S::f32s; TILE]) -> [S::f32s; TILE] {
        let (a, b) = (s.sub_f32s(d4, d2), s.sub_f32s(d3, d1));
        [
            mul_add(s, -1.5, b, mul_add(s, -2.0, d2, s.add_f32s(d0, d4))),
            mul_add(s, 2.5, d2, mul_add(s, 0.5, d3, s.sub_f32s(d1, d4))),
            mul_add(s, -2.5, d3, mul_add(s, 0.5, d2, s.add_f32s(d1, d4))),
            mul_add(s, 0.5, b, a),
            s.sub_f32s(s.add_f32s(b, b), a),
            mul_add(s, -1.5, a, mul_add(s, -2.0, d3, s.add_f32s(d1, d5))),
        ]
    }
}

/// `Aᵀ m` of a line of the transform domain.
pub(super) struct OutputLine;

impl<const M: usize> LineTransform<TILE, M> for OutputLine {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [m0, m1, m2, m3, m4, m5]: [S::f32s; TILE]) -> [S::f32s; M] {
        let (sum, difference) = (s.add_f32s(m1, m2), s.sub_f32s(m1, m2));
        let mut y = [sum; M];
        let (mut two, mut half) = (1.0, 1.0); // 2ʲ and (−½)ʲ
        for (j, y) in y.iter_mut().enumerate() {
            let even = if j % 2 == 0 { sum } else { difference };
            *y = mul_add(s, two, m3, mul_add(s, half, m4, even));
            (two, half) = (two * 2.0, half * -0.5);
        }
        y[0] = s.add_f32s(y[0], m0);
        y[M - 1] = s.add_f32s(y[M - 1], m5);
        y
    }
}

/// `A dy` of a line of gradients.
pub(super) struct OutputGradLine;

impl<const M: usize> LineTransform<M, TILE> for OutputGradLine {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, dy: [S::f32s; M]) -> [S::f32s; TILE] {
        let (one, minus_one) = (evaluate(s, dy, 1.0), evaluate(s, dy, -1.0));
        [dy[0], one, minus_one, evaluate(s, dy, 2.0), evaluate(s, dy, -0.5), dy[M - 1]]
    }
}

/// The polynomial with these coefficients at a point, by Horner's rule.
#[inline(always)]
fn evaluate<S: Simd, const M: usize>(s: S, coefficients: [S::f32s; M], point: f32) -> S::f32s {
    let mut value = coefficients[M - 1];
    for j in (0..M - 1).rev() {
        value = mul_add(s, point, value, coefficients[j]);
    }
    value
}

/// `factor · x + y`.
#[inline(always)]
fn mul_add<S: Simd>(s: S, factor: f32, x: S::f32s, y: S::f32s) -> S::f32s {
    s.mul_add_e_f32s(s.splat_f32s(factor), x, y)
}

/// Applies a line's transform to the rows and then the columns of an N × N tile, which becomes P ×
/// P.
#[inline(always)]
fn rows_and_columns<S: Simd, const N: usize, const P: usize>(
    simd: S,
    tile: [[S::f32s; N]; N],
    line: impl LineTransform<N, P>,
) -> [[S::f32s; P]; P] {
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[zero; N]; P]; // the columns of the tile with transformed rows
    for i in 0..N {
        let row = line.apply(simd, tile[i]);
        for j in 0..P {
            columns[j][i] = row[j];
        }
    }
    let mut out = [[zero; P]; P];
    for j in 0..P {
        let column = line.apply(simd, columns[j]);
        for i in 0..P {
            out[i][j] = column[i];
        }
    }
    out
}

/// Pointers to the pixels of an N × N tile; those of pixels outside the map point to `zeros`.
#[inline(always)]
pub(super) fn pixel_pointers<const N: usize>(
    map: &[f32],
    (height, width, channels): (usize, usize, usize),
    (top, left): (isize, isize),
    channel: usize,
    zeros: &[f32],
) -> [[*const f32; N]; N] {
    let inside = |at: isize, side: usize| usize::try_from(at).ok().filter(|&at| at < side);
    std::array::from_fn(|i| {
        let row = inside(top + i as isize, height);
        std::array::from_fn(|j| match (row, inside(left + j as isize, width)) {
            (Some(row), Some(column)) => {
                map[(row * width + column) * channels + channel..].as_ptr()
            }
            _ => zeros.as_ptr(),
        })
    })
}

/// The top left pixel of an input tile; it may lie in the padding.
pub(super) fn corner(
    g: &Geometry,
    outputs: usize,
    (row, column): (usize, usize),
) -> (isize, isize) {
    let at = |tile: usize, padding: usize| (tile * outputs) as isize - padding as isize;
    (at(row, g.padding.top), at(column, g.padding.left))
}

/// `Bᵀ d B` by [`InputLine`], or `A dY Aᵀ` by [`OutputGradLine`], of a vector of channels: loads
/// those from `channel` on of the pixels at `from`, stores the 36 positions `step` floats apart.
///
/// # Safety
///
/// A vector can be read at each of `from` and written at each position.
#[inline(always)]
pub(super) unsafe fn transform_tile<S: Simd, const N: usize>(
    simd: S,
    line: impl LineTransform<N, TILE>,
    from: &[[*const f32; N]; N],
    channel: usize,
    (to, step): (*mut f32, usize),
) {
    let mut tile = [[simd.splat_f32s(0.0); N]; N];
    for (vector, at) in tile.as_flattened_mut().iter_mut().zip(from.as_flattened()) {
        // SAFETY: the caller's promise.
        [*vector] = unsafe { load(at.add(channel)) };
    }
    let tile = rows_and_columns(simd, tile, line);
    for (position, vector) in tile.as_flattened().iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { store([*vector], to.add(channel + position * step)) };
    }
}

/// `Aᵀ · A` of a vector of channels: of sums whose 36 positions are `step` floats apart.
///
/// # Safety
///
/// A vector can be read at each position.
#[inline(always)]
pub(super) unsafe fn output_transform<S: Simd, const M: usize>(
    simd: S,
    (from, step): (*const f32, usize),
) -> [[S::f32s; M]; M] {
    let mut tile = [[simd.splat_f32s(0.0); TILE]; TILE];
    for (position, vector) in tile.as_flattened_mut().iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        [*vector] = unsafe { load(from.add(position * step)) };
    }
    rows_and_columns(simd, tile, OutputLine)
}
