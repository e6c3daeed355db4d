//! A tile of sums over the pairs of a block, all in registers.

use pulp::Simd;

use crate::micro::{MOST_ROWS, Tile, load, store, with_tile};

/// Floats of the largest tile: with AVX-512, 6 × 64 or 8 × 48.
const MOST: usize = MOST_ROWS * 64;

/// Some rows of `c`, for one block of the inner dimension.
pub(super) struct Task<'a> {
    pub(super) tile: Tile,
    /// Pairs of a row of `a`.
    pub(super) pairs: usize,
    /// Of a row of `c`.
    pub(super) columns: usize,
    /// The block: its first pair, and how many.
    pub(super) block: (usize, usize),
    /// (rows, pairs)
    pub(super) a: &'a [u32],
    /// (panels, pairs of the block, width)
    pub(super) panels: &'a [u32],
    /// (rows, columns)
    pub(super) c: &'a mut [f32],
}

impl pulp::WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, pairs, columns, block: (first, count), a, panels, c } = self;
        // The tile was chosen with the same vectors.
        assert!(tile.width == tile.vectors * S::F32_LANES && tile.rows * tile.width <= MOST);
        let native = S::F32_LANES == 16 && has_instruction();
        let rows = a.len() / pairs;
        let mut sums = [0.0; MOST];
        for (number, panel) in panels.chunks_exact(count * tile.width).enumerate() {
            let start = number * tile.width;
            let width = tile.width.min(columns - start);
            for i in (0..rows).step_by(tile.rows) {
                let height = tile.rows.min(rows - i);
                let a = &a[i * pairs..][..height * pairs];
                let sums = &mut sums[..height * tile.width];
                let part = (first, count, pairs);
                with_tile!(tile, height, products::<S>(simd, native, a, part, panel, sums));
                let lines = c[i * columns..].chunks_mut(columns).zip(sums.chunks(tile.width));
                for (line, sums) in lines {
                    let line = &mut line[start..][..width];
                    if first == 0 {
                        line.copy_from_slice(&sums[..width]);
                    } else {
                        line.iter_mut().zip(sums).for_each(|(c, sum)| *c += sum);
                    }
                }
            }
        }
    }
}

/// `sums` (R, width) of `a` (R, pairs), `count` of them from `first` on, times `panel` (count, width).
#[inline(always)]
fn products<S: Simd, const R: usize, const V: usize>(
    simd: S,
    native: bool,
    a: &[u32],
    (first, count, pairs): (usize, usize, usize),
    panel: &[u32],
    sums: &mut [f32],
) {
    let width = V * S::F32_LANES;
    assert!(a.len() == R * pairs && first + count <= pairs);
    assert!(panel.len() == count * width && sums.len() == R * width);
    let a = a[first..].as_ptr();
    #[cfg(target_arch = "x86_64")]
    if native {
        // SAFETY: `native` says that the processor has the instruction, and that a vector has 16 floats; by the
        // assertions `a` has R rows of `pairs`, `panel` has `count` rows of V vectors, `sums` R of them.
        unsafe { dot::<R, V>((a, pairs), panel.as_ptr(), count, sums.as_mut_ptr()) };
        return;
    }
    debug_assert!(!native);
    // SAFETY: as above.
    unsafe { apart::<S, R, V>(simd, (a, pairs), panel.as_ptr(), count, sums.as_mut_ptr()) };
}

/// Takes the pairs apart: a bf16 is the upper half of an f32.
///
/// # Safety
///
/// R rows of `count` words, `step` apart, can be read from `a`; `count` rows of V vectors from `b`; R rows of V vectors
/// can be written to `to`.
#[inline(always)]
unsafe fn apart<S: Simd, const R: usize, const V: usize>(
    simd: S,
    (a, step): (*const u32, usize),
    b: *const u32,
    count: usize,
    to: *mut f32,
) {
    let width = V * S::F32_LANES;
    let (upper, half) = (simd.splat_u32s(0xffff_0000), simd.splat_u32s(16));
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for pair in 0..count {
        // SAFETY: `pair < count`: the caller's promise.
        let words: [S::u32s; V] = unsafe { load(b.add(pair * width).cast()) };
        for second in [false, true] {
            let mut values = [simd.splat_f32s(0.0); V];
            for (value, word) in values.iter_mut().zip(words) {
                *value = simd.transmute_f32s_u32s(match second {
                    false => simd.wrapping_dyn_shl_u32s(word, half),
                    true => simd.and_u32s(word, upper),
                });
            }
            for (m, row) in sums.iter_mut().enumerate() {
                // SAFETY: `m < R`, `pair < count`: the caller's promise.
                let word = unsafe { *a.add(m * step + pair) };
                let word = if second { word & 0xffff_0000 } else { word << 16 };
                let a = simd.splat_f32s(f32::from_bits(word));
                for (sum, b) in row.iter_mut().zip(values) {
                    *sum = simd.mul_add_e_f32s(a, b, *sum);
                }
            }
        }
    }
    for (m, row) in sums.into_iter().enumerate() {
        // SAFETY: `m < R`: the caller's promise.
        unsafe { store(row, to.add(m * width)) };
    }
}

/// With the instruction for it. A function of its own, because its instruction set is beyond those that `pulp` chooses
/// from; it is called once for thousands of products.
///
/// # Safety
///
/// That of [`apart`], with vectors of 16 floats; and the processor has AVX512-BF16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn dot<const R: usize, const V: usize>(
    (a, step): (*const u32, usize),
    b: *const u32,
    count: usize,
    to: *mut f32,
) {
    use std::arch::x86_64::*;
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    for pair in 0..count {
        let mut words = [_mm512_setzero_si512(); V];
        for (n, words) in words.iter_mut().enumerate() {
            // SAFETY: `pair < count`, `n < V`: the caller's promise.
            *words = unsafe { _mm512_loadu_si512(b.add((pair * V + n) * 16).cast()) };
        }
        for (m, row) in sums.iter_mut().enumerate() {
            // SAFETY: `m < R`, `pair < count`: the caller's promise.
            let a = _mm512_set1_epi32(unsafe { *a.add(m * step + pair) } as i32);
            for (sum, b) in row.iter_mut().zip(words) {
                // SAFETY: any 512 bits are pairs.
                let [a, b] = [a, b].map(|x| unsafe { std::mem::transmute::<__m512i, __m512bh>(x) });
                *sum = _mm512_dpbf16_ps(*sum, a, b);
            }
        }
    }
    for (m, row) in sums.into_iter().enumerate() {
        for (n, sum) in row.into_iter().enumerate() {
            // SAFETY: `m < R`, `n < V`: the caller's promise.
            unsafe { _mm512_storeu_ps(to.add((m * V + n) * 16), sum) };
        }
    }
}

/// Whether the processor multiplies pairs by itself.
pub(super) fn has_instruction() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}
