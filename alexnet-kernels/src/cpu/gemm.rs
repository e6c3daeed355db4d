//! Matrices over slices, and their GEMM: the one place that calls the `gemm` crate.

use ::gemm::Parallelism;
use rayon::prelude::*;

/// A matrix in a slice: element `(i, j)` is `values[i · row_stride + j · column_stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A view of any strides, which must lie inside `values`.
    pub(crate) fn new(
        values: &'a [f32],
        (rows, columns): (usize, usize),
        (row_stride, column_stride): (usize, usize),
    ) -> Self {
        let matrix = Self { values, rows, columns, row_stride, column_stride };
        assert!(matrix.span() <= values.len(), "a matrix leaves its slice");
        matrix
    }

    /// `rows × columns` with `columns` contiguous.
    pub(crate) fn row_major(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::new(values, (rows, columns), (columns, 1))
    }

    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// How many elements of the slice the matrix spans, from its first to its last.
    fn span(&self) -> usize {
        if self.rows == 0 || self.columns == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride + 1
    }
}

/// `c ← a · b` on the calling thread. Row `i` of `c` begins at `c[i · c_stride]` and is contiguous.
pub(crate) fn gemm(c: &mut [f32], c_stride: usize, a: Matrix<'_>, b: Matrix<'_>) {
    run(c, c_stride, a, b, Parallelism::None);
}

/// `c ← a · b` on all threads, `c` row-major. The `gemm` crate splits rows and columns among
/// threads, never the inner dimension, so the result does not depend on the number of threads.
pub(crate) fn gemm_parallel(c: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) {
    run(c, b.columns, a, b, Parallelism::Rayon(0));
}

/// The old values of `c` are not read. The order of the sums over the inner dimension follows from
/// the sizes.
fn run(c: &mut [f32], c_stride: usize, a: Matrix<'_>, b: Matrix<'_>, threads: Parallelism) {
    assert_eq!(a.columns, b.rows, "the inner dimensions of a matmul differ");
    assert!(b.columns <= c_stride, "the rows of a result overlap");
    let span = Matrix::new(&*c, (a.rows, b.columns), (c_stride, 1)).span();
    assert!(span <= c.len());
    let (m, n, k, no) = (a.rows, b.columns, a.columns, false);
    let parts =
        |x: Matrix<'_>| (x.values.as_ptr(), x.row_stride as isize, x.column_stride as isize);
    let ((a, a_row, a_column), (b, b_row, b_column)) = (parts(a), parts(b));
    let (c, c_row) = (c.as_mut_ptr(), c_stride as isize);
    // SAFETY: `gemm` needs pointers that are valid over the given sizes and strides, and no element
    // of `c` may be reached twice, or from `a` or `b`. `Matrix::new` has checked all three against
    // their slices, rows of `c` do not overlap (`b.columns <= c_stride`), and `c` is borrowed
    // mutably.
    unsafe {
        ::gemm::gemm(
            m, n, k, c, 1, c_row, no, a, a_column, a_row, b, b_column, b_row, 0.0, 1.0, no, no, no,
            threads,
        );
    }
}

/// `y ← f(xᵀ)`, row-major, where `f` gets an element and its row in `x`.
pub(crate) fn transpose(x: Matrix<'_>, y: &mut [f32], f: impl Fn(f32, usize) -> f32 + Sync) {
    /// Side of the tiles in which elements are moved, so that reads and writes stay in the L1
    /// cache.
    const TILE: usize = 32;
    y.par_chunks_mut(TILE * x.rows).enumerate().for_each(|(tile, y)| {
        for first in (0..x.rows).step_by(TILE) {
            let rows = first..(first + TILE).min(x.rows);
            for (j, y) in y.chunks_exact_mut(x.rows).enumerate() {
                let column = (tile * TILE + j) * x.column_stride;
                for i in rows.clone() {
                    y[i] = f(x.values[i * x.row_stride + column], i);
                }
            }
        }
    });
}
