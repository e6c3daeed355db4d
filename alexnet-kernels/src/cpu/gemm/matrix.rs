//! Matrices over slices.

use rayon::prelude::*;

/// A matrix in a slice: element `(i, j)` is `values[i · row_stride + j · column_stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
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
    pub(super) fn span(&self) -> usize {
        if self.rows == 0 || self.columns == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride + 1
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
