//! The transforms of a tile, on vectors of channels: first along its rows, then along its columns.

use pulp::Simd;

use super::super::geometry::Geometry;
use super::SIDE;
use crate::cpu::microkernel::{load, store};

/// `Bᵀ d`.
#[inline(always)]
fn pixels<S: Simd>(s: S, [d0, d1, d2, d3, d4, d5]: [S::f32s; SIDE]) -> [S::f32s; SIDE] {
    let (a, b) = (s.sub_f32s(d4, d2), s.sub_f32s(d3, d1));
    [
        times(s, -1.5, b, times(s, -2.0, d2, s.add_f32s(d0, d4))),
        times(s, 2.5, d2, times(s, 0.5, d3, s.sub_f32s(d1, d4))),
        times(s, -2.5, d3, times(s, 0.5, d2, s.add_f32s(d1, d4))),
        times(s, 0.5, b, a),
        s.sub_f32s(s.add_f32s(b, b), a),
        times(s, -1.5, a, times(s, -2.0, d3, s.add_f32s(d1, d5))),
    ]
}

/// `Aᵀ m`.
#[inline(always)]
fn results<S: Simd, const M: usize>(
    s: S,
    [m0, m1, m2, m3, m4, m5]: [S::f32s; SIDE],
) -> [S::f32s; M] {
    let (sum, difference) = (s.add_f32s(m1, m2), s.sub_f32s(m1, m2));
    let mut y = [sum; M];
    let (mut two, mut half) = (1.0, 1.0); // 2ʲ and (−½)ʲ
    for (j, y) in y.iter_mut().enumerate() {
        let even = if j % 2 == 0 { sum } else { difference };
        *y = times(s, two, m3, times(s, half, m4, even));
        (two, half) = (two * 2.0, half * -0.5);
    }
    y[0] = s.add_f32s(y[0], m0);
    y[M - 1] = s.add_f32s(y[M - 1], m5);
    y
}

/// `A dY`.
#[inline(always)]
fn gradients<S: Simd, const M: usize>(s: S, dy: [S::f32s; M]) -> [S::f32s; SIDE] {
    let (one, minus_one) = (value(s, dy, 1.0), value(s, dy, -1.0));
    [dy[0], one, minus_one, value(s, dy, 2.0), value(s, dy, -0.5), dy[M - 1]]
}

/// The polynomial with these coefficients, at a point.
#[inline(always)]
fn value<S: Simd, const M: usize>(s: S, coefficients: [S::f32s; M], point: f32) -> S::f32s {
    let mut value = coefficients[M - 1];
    for j in (0..M - 1).rev() {
        value = times(s, point, value, coefficients[j]);
    }
    value
}

/// `factor · x + y`
#[inline(always)]
fn times<S: Simd>(s: S, factor: f32, x: S::f32s, y: S::f32s) -> S::f32s {
    s.mul_add_e_f32s(s.splat_f32s(factor), x, y)
}

/// A transform in both directions, of an `N × N` tile into a `P × P` one.
// Plain loops and a marked closure: what is not inlined here is not compiled for the machine's vectors.
#[inline(always)]
fn both<S: Simd, const N: usize, const P: usize>(
    simd: S,
    tile: [[S::f32s; N]; N],
    line: impl Fn([S::f32s; N]) -> [S::f32s; P],
) -> [[S::f32s; P]; P] {
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[zero; N]; P]; // of the tile with transformed rows
    for i in 0..N {
        let row = line(tile[i]);
        for j in 0..P {
            columns[j][i] = row[j];
        }
    }
    let mut out = [[zero; P]; P];
    for j in 0..P {
        let column = line(columns[j]);
        for i in 0..P {
            out[i][j] = column[i];
        }
    }
    out
}

/// Where the pixels of an `N × N` tile lie; those outside of the map in `zeros`.
#[inline(always)]
pub(super) fn places<const N: usize>(
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

/// Top left pixel of the input that a tile reads.
pub(super) fn corner(
    g: &Geometry,
    results: usize,
    (row, column): (usize, usize),
) -> (isize, isize) {
    let at = |tile: usize, padding: usize| (tile * results) as isize - padding as isize;
    (at(row, g.padding.top), at(column, g.padding.left))
}

/// `Bᵀ d B` of a vector of channels: of the pixels at `from`, `channel` floats on, to 36 places `step` floats
/// apart.
///
/// # Safety
///
/// A vector can be read at each of `from` and written at each place.
#[inline(always)]
pub(super) unsafe fn transform_pixels<S: Simd>(
    simd: S,
    from: &[[*const f32; SIDE]; SIDE],
    channel: usize,
    (to, step): (*mut f32, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        let tile = gather(simd, from, channel);
        let tile = both(
            simd,
            tile,
            #[inline(always)]
            |line| pixels(simd, line),
        );
        spread::<S>(tile, to.add(channel), step);
    }
}

/// `A dY Aᵀ` of a vector of channels, as [`transform_pixels`].
///
/// # Safety
///
/// That of [`transform_pixels`].
#[inline(always)]
pub(super) unsafe fn transform_gradients<S: Simd, const M: usize>(
    simd: S,
    from: &[[*const f32; M]; M],
    channel: usize,
    (to, step): (*mut f32, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        let tile = gather(simd, from, channel);
        let tile = both(
            simd,
            tile,
            #[inline(always)]
            |line| gradients(simd, line),
        );
        spread::<S>(tile, to.add(channel), step);
    }
}

/// `Aᵀ M A` of a vector of channels: of the sums at 36 places `step` floats apart.
///
/// # Safety
///
/// A vector can be read at each place.
#[inline(always)]
pub(super) unsafe fn transform_sums<S: Simd, const M: usize>(
    simd: S,
    (from, step): (*const f32, usize),
) -> [[S::f32s; M]; M] {
    let mut tile = [[simd.splat_f32s(0.0); SIDE]; SIDE];
    for (place, vector) in tile.as_flattened_mut().iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        [*vector] = unsafe { load(from.add(place * step)) };
    }
    both(
        simd,
        tile,
        #[inline(always)]
        |line| results(simd, line),
    )
}

/// A vector from each of `from`, `channel` floats on.
#[inline(always)]
unsafe fn gather<S: Simd, const N: usize>(
    simd: S,
    from: &[[*const f32; N]; N],
    channel: usize,
) -> [[S::f32s; N]; N] {
    let mut tile = [[simd.splat_f32s(0.0); N]; N];
    for (vector, at) in tile.as_flattened_mut().iter_mut().zip(from.as_flattened()) {
        // SAFETY: the caller's promise: a vector can be read there.
        [*vector] = unsafe { load(at.add(channel)) };
    }
    tile
}

/// The vectors of a tile to 36 places `step` floats apart.
#[inline(always)]
unsafe fn spread<S: Simd>(tile: [[S::f32s; SIDE]; SIDE], to: *mut f32, step: usize) {
    for (place, vector) in tile.as_flattened().iter().enumerate() {
        // SAFETY: the caller's promise: a vector can be written at each place.
        unsafe { store([*vector], to.add(place * step)) };
    }
}
