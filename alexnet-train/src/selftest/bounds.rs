//! How far from the exact value a right result may be.
//!
//! u = 2⁻²⁴ is half the distance of two f32 numbers at 1, and 2⁻¹¹ and 2⁻⁸ are that of tf32 and bf16. Inputs are the same
//! numbers for device and reference, so what differs is the rounding of products, sums and results.

use alexnet_kernels::Precision;

/// Half the distance between two numbers at 1.
const F32: f64 = 1.0 / (1u64 << 24) as f64;
const TF32: f64 = 1.0 / (1u64 << 11) as f64;
const BF16: f64 = 1.0 / (1u64 << 8) as f64;

/// What is left of f32 in a formula of some operations: a power by the device's own roots and divisions is good to
/// some u, and its argument is a sum of up to a hundred squares.
const FORMULA: f64 = 160.0 * F32;

/// Bound for an operation on each element or a small window, whose result is rounded to its storage once.
pub(super) fn formula(precision: Precision) -> f64 {
    match precision {
        Precision::F32 | Precision::Tf32 => FORMULA,
        // A quarter is for values that f32's own error brings across the middle between two bf16 numbers.
        Precision::Bf16 => 1.25 * BF16 + FORMULA,
    }
}

/// Bound for what stays f32 whatever activations are: losses, the update, a bias's gradient over `terms` terms.
pub(super) fn in_f32(terms: usize) -> f64 {
    FORMULA + 4.0 * F32 * (terms as f64).sqrt()
}

/// Bound for sums of `terms` products whose result is rounded to its storage `roundings` times, over the largest sum.
///
/// Errors of terms are independent: they add up to √terms of one, as the terms do, so the relative error of the
/// *products* stays that of one product whatever the number of terms, while partial sums are rounded `terms` times.
pub(super) fn matmul(precision: Precision, terms: usize, roundings: u32) -> f64 {
    // 16: the largest of many thousand errors; 4: transforms (Winograd, FFT) that a library may choose.
    let sums = 4.0 * 16.0 * F32 * (terms as f64).sqrt();
    match precision {
        Precision::F32 => sums,
        // Two operands, each off by up to one 2⁻¹¹; twice that for sums of few terms, which do not average.
        Precision::Tf32 => 4.0 * TF32 + sums,
        // Products of two bf16 numbers are exact in f32.
        Precision::Bf16 => 1.25 * f64::from(roundings) * BF16 + sums,
    }
}

/// Bound for the gradients of a whole step, by length.
///
/// In f32 only rounding is left, through some ten layers. With shorter numbers two things come to it: each layer adds
/// its own rounding, forward and backward, and where two values are nearer than that the larger one of a pooling
/// window, or the sign before a ReLU, may be the other. A part p of elements that go elsewhere changes a gradient by √(2p)
/// of its length: p is about the distance, 0.1 % or 1 %, which gives 5 % and 14 %.
pub(super) fn step(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-4,
        Precision::Tf32 => 0.1,
        Precision::Bf16 => 0.25,
    }
}

/// The largest error over the largest value wanted; NaN where a value is NaN that should not be.
pub(super) fn largest(got: &[f64], want: &[f64]) -> f64 {
    let scale = want.iter().fold(0f64, |max, x| max.max(x.abs())).max(1e-6);
    let errors = got.iter().zip(want).map(|(got, want)| (got - want).abs());
    errors.fold(0f64, |max, e| if e.is_nan() || e > max { e } else { max }) / scale
}

/// The length of all errors over that of all values wanted.
pub(super) fn length(got: &[f64], want: &[f64]) -> f64 {
    let square: f64 = got.iter().zip(want).map(|(got, want)| (got - want).powi(2)).sum();
    (square / want.iter().map(|x| x * x).sum::<f64>().max(1e-30)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_seen() {
        assert_eq!(largest(&[1.0, 2.0, -4.0], &[1.0, 2.5, -4.0]), 0.125);
        assert!(largest(&[f64::NAN, 1.0], &[1.0, 1.0]).is_nan());
        assert!(largest(&[1.0, f64::NAN], &[1.0, 1.0]).is_nan());
        assert_eq!(length(&[3.0, 4.0], &[0.0, 4.0]), 0.75);
        assert!(length(&[f64::NAN], &[1.0]).is_nan());
    }

    #[test]
    fn bounds_see_a_wrong_term() {
        // One term of k too many changes a sum of k random terms by about 1/√k of it.
        for terms in [9usize, 363, 2304] {
            let wrong = 1.0 / (terms as f64).sqrt();
            assert!(matmul(Precision::F32, terms, 1) < wrong / 100.0);
            assert!(matmul(Precision::Tf32, terms, 1) < wrong / 5.0);
            assert!(matmul(Precision::Bf16, terms, 2) < wrong);
        }
    }
}
