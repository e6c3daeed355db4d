//! Elementwise loops over whole tensors: threads take chunks, and each chunk is vectorised.

use rayon::prelude::*;

use crate::cpu::simd::vectorized;

/// Elements that a thread takes at a time: 64 KiB, which stay in the L2 cache.
const CHUNK: usize = 16 * 1024;

/// `y[i] = f(x[i])`.
pub(crate) fn map1(x: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
    chunks.for_each(|(y, x)| {
        vectorized!(for (y, &x) in y.iter_mut().zip(x) {
            *y = f(x);
        });
    });
}

/// `z[i] = f(x[i], y[i])`.
pub(crate) fn map2(x: &[f32], y: &[f32], z: &mut [f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    let chunks = z.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).zip(y.par_chunks(CHUNK));
    chunks.for_each(|((z, x), y)| {
        vectorized!(for ((z, &x), &y) in z.iter_mut().zip(x).zip(y) {
            *z = f(x, y);
        });
    });
}

/// Sets `y[i]` to 0 where `x[i]` is not above 0.
pub(crate) fn zero_where_not_positive(x: &[f32], y: &mut [f32]) {
    let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
    chunks.for_each(|(y, x)| vectorized!(zero_part_where_not_positive(x, y)));
}

/// The same for a part of a tensor, in a loop of the caller.
#[inline(always)]
pub(crate) fn zero_part_where_not_positive(x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = if x > 0.0 { *y } else { 0.0 };
    }
}

/// `sums[c] = Σ rows[i][c]`, in f64 and in the order of the rows.
pub(crate) fn sum_rows(rows: &[f32], sums: &mut [f32]) {
    let mut totals = vec![0f64; sums.len()];
    for row in rows.chunks_exact(sums.len()) {
        for (total, &x) in totals.iter_mut().zip(row) {
            *total += f64::from(x);
        }
    }
    for (sum, total) in sums.iter_mut().zip(totals) {
        *sum = total as f32;
    }
}
