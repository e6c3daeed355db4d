//! The GEMM micro-kernel: a tile of the result that stays in registers while the inner dimension is
//! summed.
//!
//! ```text
//! tile[m][n] += Σ a(m, k) · b[k · step + n]      0 ≤ k < count, 0 ≤ m < R rows, 0 ≤ n < V vectors
//! ```
//!
//! A core multiplies faster than it loads, so each loaded operand must be used several times. One
//! step of k loads a row of `b`, V vectors, and broadcasts one float of `a` for each of the R rows:
//! R + V loads for R · V fused multiply-adds. With AVX-512 and its 32 registers that is 24
//! multiply-adds for 10 or 11 loads, so the multiply-adds are the limit.
//!
//! As in other GEMMs, `b` is packed: cut into panels of as many columns as a tile is wide, so that
//! a tile reads its panel from one end to the other. `a` is not: each row of a tile has a pointer
//! of its own, because broadcasts may come from anywhere. Convolutions use this to read the pixels
//! of images in place, without im2col.

use pulp::Simd;

/// Vectors in a row of the widest tile.
const MOST_VECTORS: usize = 4;

/// Rows of the highest tile.
pub(crate) const MOST_ROWS: usize = 8;

/// The size of tiles on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MicroTile {
    /// Vectors in a row.
    pub(crate) vectors: usize,
    /// Rows, as many as the registers allow.
    pub(crate) rows: usize,
    /// Floats in a row: the width of a panel.
    pub(crate) width: usize,
}

impl MicroTile {
    /// The size for results of `channels` columns, which are output channels.
    pub(crate) fn new(channels: usize) -> Self {
        struct Lanes;
        impl pulp::WithSimd for Lanes {
            type Output = (usize, usize);

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> (usize, usize) {
                (S::F32_LANES, S::REGISTER_COUNT)
            }
        }
        let (lanes, registers) = pulp::Arch::new().dispatch(Lanes);
        let tile = |vectors, rows| Self { vectors, rows, width: vectors * lanes };
        if registers < 32 {
            return tile(2, 6);
        }
        // The size that pads `channels` less; the wider one if both pad alike.
        let (wide, narrow) = (tile(4, 6), tile(3, 8));
        let padded = |tile: Self| channels.next_multiple_of(tile.width);
        if padded(narrow) < padded(wide) { narrow } else { wide }
    }
}

/// Adds the sum over `count` steps of k to a tile of R × V vectors; row k of `b` begins `k · step`
/// floats after the first.
///
/// # Safety
///
/// `a(m, k)` can be read for all `m < R`, `k < count`, and so can `V` vectors at each
/// `b + k · step`.
#[inline(always)]
pub(crate) unsafe fn fma_tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    tile: &mut [[S::f32s; V]; R],
    a: impl Fn(usize, usize) -> *const f32,
    (b, step): (*const f32, usize),
    count: usize,
) {
    for k in 0..count {
        // SAFETY: `k < count`: the caller's promise.
        let b: [S::f32s; V] = unsafe { load(b.add(k * step)) };
        for (m, row) in tile.iter_mut().enumerate() {
            // SAFETY: `m < R`, `k < count`: the caller's promise.
            let a = simd.splat_f32s(unsafe { *a(m, k) });
            for (sum, b) in row.iter_mut().zip(b) {
                *sum = simd.mul_add_e_f32s(a, b, *sum);
            }
        }
    }
}

/// Loads `N` vectors from any address.
///
/// # Safety
///
/// They can be read there.
#[inline(always)]
pub(crate) unsafe fn load<V: Copy, const N: usize>(from: *const f32) -> [V; N] {
    const { assert!(N <= MOST_VECTORS) };
    // SAFETY: `V` is a vector of floats; the rest is the caller's promise.
    std::array::from_fn(|n| unsafe { from.cast::<V>().add(n).read_unaligned() })
}

/// Stores `N` vectors at any address.
///
/// # Safety
///
/// They can be written there.
#[inline(always)]
pub(crate) unsafe fn store<V: Copy, const N: usize>(vectors: [V; N], to: *mut f32) {
    for (n, vector) in vectors.into_iter().enumerate() {
        // SAFETY: `V` is a vector of floats; the rest is the caller's promise.
        unsafe { to.cast::<V>().add(n).write_unaligned(vector) };
    }
}

/// A tile of the GEMM of `a` (R, count) and `b` (count, V vectors): stores it in `sums` (R, V
/// vectors), or adds it to what is there.
///
/// # Safety
///
/// `a(m, k)` can be read for all `m < R`, `k < count`.
#[inline(always)]
pub(crate) unsafe fn gemm_tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: impl Fn(usize, usize) -> *const f32,
    (b, count): (&[f32], usize),
    add: bool,
    sums: &mut [f32],
) {
    let width = V * S::F32_LANES;
    assert!(b.len() == count * width && sums.len() == R * width);
    let mut tile = [[simd.splat_f32s(0.0); V]; R];
    // SAFETY: the caller's promise, and by the assertion `b` has the row k.
    unsafe { fma_tile(simd, &mut tile, a, (b.as_ptr(), width), count) };
    let sums = sums.as_mut_ptr();
    for (m, mut row) in tile.into_iter().enumerate() {
        // SAFETY: `sums` is R rows of V vectors, by the assertion.
        let to = unsafe { sums.add(m * width) };
        if add {
            // SAFETY: as above.
            let old: [S::f32s; V] = unsafe { load(to) };
            for (sum, old) in row.iter_mut().zip(old) {
                *sum = simd.add_f32s(*sum, old);
            }
        }
        // SAFETY: as above.
        unsafe { store(row, to) };
    }
}

/// Calls `$f::<S, R, V>($($argument),*)` with the constants of a tile, of which `$rows` rows are
/// needed.
macro_rules! dispatch_tile {
    ($tile:expr, $rows:expr, $f:ident::<$simd:ident>($($argument:expr),* $(,)?)) => {
        match ($tile.vectors, $rows) {
            (2, 1) => $f::<$simd, 1, 2>($($argument),*),
            (2, 2) => $f::<$simd, 2, 2>($($argument),*),
            (2, 3) => $f::<$simd, 3, 2>($($argument),*),
            (2, 4) => $f::<$simd, 4, 2>($($argument),*),
            (2, 5) => $f::<$simd, 5, 2>($($argument),*),
            (2, _) => $f::<$simd, 6, 2>($($argument),*),
            (3, 1) => $f::<$simd, 1, 3>($($argument),*),
            (3, 2) => $f::<$simd, 2, 3>($($argument),*),
            (3, 3) => $f::<$simd, 3, 3>($($argument),*),
            (3, 4) => $f::<$simd, 4, 3>($($argument),*),
            (3, 5) => $f::<$simd, 5, 3>($($argument),*),
            (3, 6) => $f::<$simd, 6, 3>($($argument),*),
            (3, 7) => $f::<$simd, 7, 3>($($argument),*),
            (3, _) => $f::<$simd, 8, 3>($($argument),*),
            (_, 1) => $f::<$simd, 1, 4>($($argument),*),
            (_, 2) => $f::<$simd, 2, 4>($($argument),*),
            (_, 3) => $f::<$simd, 3, 4>($($argument),*),
            (_, 4) => $f::<$simd, 4, 4>($($argument),*),
            (_, 5) => $f::<$simd, 5, 4>($($argument),*),
            (_, _) => $f::<$simd, 6, 4>($($argument),*),
        }
    };
}
pub(crate) use dispatch_tile;

/// [`dispatch_tile`] for tiles with all their rows.
macro_rules! dispatch_full_tile {
    ($tile:expr, $f:ident::<$simd:ident>($($argument:expr),* $(,)?)) => {
        match $tile.vectors {
            2 => $f::<$simd, 6, 2>($($argument),*),
            3 => $f::<$simd, 8, 3>($($argument),*),
            _ => $f::<$simd, 6, 4>($($argument),*),
        }
    };
}
pub(crate) use dispatch_full_tile;
