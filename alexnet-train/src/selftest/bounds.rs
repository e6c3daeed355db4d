//! How far a correct result may be from the exact value.
//!
//! The unit roundoff u, half the distance of two numbers at 1, is 2⁻²⁴ in f32, 2⁻¹¹ in tf32 and 2⁻⁸
//! in bf16. Device and reference get the same inputs, so they differ only by the rounding of
//! products, sums and results.

use alexnet_kernels::Precision;

/// The unit roundoffs.
const F32: f64 = 1.0 / (1u64 << 24) as f64;
const TF32: f64 = 1.0 / (1u64 << 11) as f64;
const BF16: f64 = 1.0 / (1u64 << 8) as f64;

/// The error of a formula in f32: a power by the device's own roots and divisions is off by some u,
/// and its argument is a sum of up to a hundred squares.
const FORMULA: f64 = 160.0 * F32;

/// The bound for an operation on single values or small windows, whose result is rounded once.
pub(super) fn formula(precision: Precision) -> f64 {
    match precision {
        Precision::F32 | Precision::Tf32 => FORMULA,
        // A quarter more: the error in f32 may move a value past the middle of two bf16 numbers.
        Precision::Bf16 => 1.25 * BF16 + FORMULA,
    }
}

/// The bound for results that are f32 at any precision: losses, updates, and the gradient of a
/// bias, which is a sum of `terms` terms.
pub(super) fn in_f32(terms: usize) -> f64 {
    FORMULA + 4.0 * F32 * (terms as f64).sqrt()
}

/// The bound for sums of `terms` products whose result is rounded `roundings` times, relative to
/// the largest sum.
///
/// The errors of terms are independent, so they add up to √terms of one, as the terms themselves
/// do. The relative error of the *products* is therefore that of one product for any number of
/// terms, while partial sums are rounded `terms` times.
pub(super) fn matmul(precision: Precision, terms: usize, roundings: u32) -> f64 {
    // 16 for the largest of many thousand errors, 4 for a library's transforms (Winograd, FFT).
    let sums = 4.0 * 16.0 * F32 * (terms as f64).sqrt();
    match precision {
        Precision::F32 => sums,
        // Both operands are off by up to 2⁻¹¹; twice that for sums of few terms, without averaging.
        Precision::Tf32 => 4.0 * TF32 + sums,
        // Products of two bf16 numbers are exact in f32.
        Precision::Bf16 => 1.25 * f64::from(roundings) * BF16 + sums,
    }
}

/// The bound for the gradients of a whole step, by their norm.
///
/// In f32 there is only the rounding of some ten layers. In tf32 and bf16 each layer adds its own
/// rounding, forward and backward. Also, where two values are nearer to each other than that,
/// another one may be the largest of a pooling window, or the sign before a ReLU may change. If a
/// share p of the gradient's elements goes elsewhere, the gradient changes by √(2p) of its norm. p
/// is about the rounding error, 0.1 % or 1 %, which gives 5 % and 14 %.
pub(super) fn step(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-4,
        Precision::Tf32 => 0.1,
        Precision::Bf16 => 0.25,
    }
}

/// The largest error divided by the largest expected value; NaN for a NaN that is not expected.
pub(super) fn largest(got: &[f64], want: &[f64]) -> f64 {
    let scale = want.iter().fold(0f64, |max, x| max.max(x.abs())).max(1e-6);
    let errors = got.iter().zip(want).map(|(got, want)| (got - want).abs());
    errors.fold(0f64, |max, e| if e.is_nan() || e > max { e } else { max }) / scale
}

/// The norm of all errors divided by that of all expected values.
pub(super) fn norm(got: &[f64], want: &[f64]) -> f64 {
    let square: f64 = got.iter().zip(want).map(|(got, want)| (got - want).powi(2)).sum();
    (square / want.iter().map(|x| x * x).sum::<f64>().max(1e-30)).sqrt()
}
