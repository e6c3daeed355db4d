//! GEMM on the CPU: the one place that calls the `gemm` crate.

mod matrix;
mod portable;

pub(crate) use matrix::{Matrix, transpose};

use ::gemm::Parallelism;

/// Whether the `gemm` crate can run on this processor, and is the best there is. Where it cannot,
/// neither can candle's own matmuls and convolutions on the CPU; the operations here can.
///
/// `gemm` 0.19 asks for FMA alone, then relies on AVX2 and F16C as well, and panics without them:
/// an AMD Piledriver has the first and not the second, and a virtual machine may hide any of them.
/// On an x86 processor without FMA, `gemm` multiplies one number at a time.
#[cfg(target_arch = "x86_64")]
pub fn gemm_library_runs() -> bool {
    is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("f16c")
}

/// Whether the `gemm` crate can run on this processor: wherever Rust can.
#[cfg(not(target_arch = "x86_64"))]
pub fn gemm_library_runs() -> bool {
    true
}

/// `c ← a · b` on the calling thread. Row `i` of `c` begins at `c[i · c_stride]` and is contiguous.
pub(crate) fn gemm(c: &mut [f32], c_stride: usize, a: Matrix<'_>, b: Matrix<'_>) {
    run(c, c_stride, a, b, Parallelism::None);
}

/// `c ← a · b` on all threads, `c` row-major. Rows and columns are split among threads, never the
/// inner dimension, so the result does not depend on the number of threads.
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
    if !gemm_library_runs() {
        return portable::gemm(c, c_stride, a, b, !matches!(threads, Parallelism::None));
    }
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
