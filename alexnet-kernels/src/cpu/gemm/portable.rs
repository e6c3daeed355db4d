//! GEMM in plain loops, for processors on which the `gemm` crate does not run.

use super::matrix::Matrix;
use crate::cpu::simd::vectorized;
use rayon::prelude::*;

/// Rows and columns of the tile of the result that stays in registers: with the four floats of the
/// smallest vectors it takes eight of the sixteen registers.
const ROWS: usize = 4;
const COLUMNS: usize = 8;

/// `c ← a · b`; row `i` of `c` begins at `c[i · c_stride]` and is contiguous. Every element of `c`
/// is one sum in the order of the inner dimension, whatever the threads.
pub(super) fn gemm(
    c: &mut [f32],
    c_stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
    all_threads: bool,
) {
    if a.rows == 0 || b.columns == 0 {
        return;
    }
    let panels = panels(b, all_threads);
    let c = &mut c[..(a.rows - 1) * c_stride + b.columns];
    let strip = |(number, c): (usize, &mut [f32])| {
        let strip = strip(a, number * ROWS);
        for (number, c_columns) in (0..b.columns).step_by(COLUMNS).enumerate() {
            let panel = &panels[number * a.columns * COLUMNS..][..a.columns * COLUMNS];
            let sums = vectorized!(tile(&strip, panel));
            let width = COLUMNS.min(b.columns - c_columns);
            for (row, sums) in c.chunks_mut(c_stride).zip(sums) {
                row[c_columns..][..width].copy_from_slice(&sums[..width]);
            }
        }
    };
    match all_threads {
        true => c.par_chunks_mut(ROWS * c_stride).enumerate().for_each(strip),
        false => c.chunks_mut(ROWS * c_stride).enumerate().for_each(strip),
    }
}

/// `b` in panels: all its rows, each cut to the columns of one tile, with zeros after the last.
fn panels(b: Matrix<'_>, all_threads: bool) -> Vec<f32> {
    let panel = b.rows * COLUMNS;
    let mut panels = vec![0.0; b.columns.div_ceil(COLUMNS) * panel];
    let fill = |(number, panel): (usize, &mut [f32])| {
        for (k, row) in panel.chunks_exact_mut(COLUMNS).enumerate() {
            for (j, value) in (number * COLUMNS..b.columns).zip(row) {
                *value = b.values[k * b.row_stride + j * b.column_stride];
            }
        }
    };
    match all_threads {
        true => panels.par_chunks_mut(panel.max(1)).enumerate().for_each(fill),
        false => panels.chunks_mut(panel.max(1)).enumerate().for_each(fill),
    }
    panels
}

/// The rows of `a` that a tile needs, from row `first` on, column after column.
fn strip(a: Matrix<'_>, first: usize) -> Vec<f32> {
    let mut strip = vec![0.0; a.columns * ROWS];
    for (k, column) in strip.chunks_exact_mut(ROWS).enumerate() {
        for (i, value) in (first..a.rows).zip(column) {
            *value = a.values[i * a.row_stride + k * a.column_stride];
        }
    }
    strip
}

/// The tile that a strip of `a` and a panel of `b` make.
#[inline(always)]
fn tile(strip: &[f32], panel: &[f32]) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[0.0; COLUMNS]; ROWS];
    for (a, b) in strip.chunks_exact(ROWS).zip(panel.chunks_exact(COLUMNS)) {
        for (sums, a) in sums.iter_mut().zip(a) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_the_sum_of_products(
            (m, n, k) in (1usize..11, 1usize..20, 0usize..30),
            (transposed_a, transposed_b, all_threads) in any::<(bool, bool, bool)>(),
            gap in 0usize..4,
            seed in any::<u64>(),
        ) {
            let values = crate::random::normal::normals(seed, 0, 1.0, m * k + k * n);
            let (a, b) = values.split_at(m * k);
            let view = |values, rows, columns, transposed| match transposed {
                true => Matrix::row_major(values, columns, rows).transposed(),
                false => Matrix::row_major(values, rows, columns),
            };
            let (a, b) = (view(a, m, k, transposed_a), view(b, k, n, transposed_b));
            let at = |x: Matrix<'_>, i: usize, j: usize| {
                f64::from(x.values[i * x.row_stride + j * x.column_stride])
            };
            let stride = n + gap;
            let mut c = vec![7.0; m * stride];
            gemm(&mut c, stride, a, b, all_threads);
            for (i, row) in c.chunks(stride).enumerate() {
                for (j, &got) in row[..n].iter().enumerate() {
                    let products = || (0..k).map(|k| at(a, i, k) * at(b, k, j));
                    let size: f64 = products().map(f64::abs).sum();
                    // Each product and each sum is rounded once.
                    let bound = k as f64 * f64::from(f32::EPSILON) * size;
                    prop_assert!((f64::from(got) - products().sum::<f64>()).abs() <= bound);
                }
                prop_assert!(row[n..].iter().all(|&gap| gap == 7.0));
            }
        }
    }
}
