//! The last step of a convolution on the CPU, on results that are still in the cache.

use crate::cpu::elementwise::zero_part_where_not_positive;
use crate::cpu::simd::vectorized;
use crate::ops::activation::function::relu;

/// The last step of a forward or a backward pass.
#[derive(Clone, Copy)]
pub(super) enum Epilogue<'a> {
    /// Nothing.
    None,
    /// `+ bias (O)`.
    Bias(&'a [f32]),
    /// `max(· + bias (O), 0)`.
    BiasRelu(&'a [f32]),
    /// `·` where this, of the result's shape, is above 0, else 0.
    ThroughRelu(&'a [f32]),
}

impl Epilogue<'_> {
    /// Applies it to `y`, whole pixels of the result from element `first` on.
    pub(super) fn apply(self, first: usize, y: &mut [f32]) {
        vectorized!(match self {
            Self::None => {}
            Self::Bias(bias) => rows(y, bias, |y, bias| *y += bias),
            Self::BiasRelu(bias) => rows(y, bias, |y, bias| *y = relu(*y + bias)),
            Self::ThroughRelu(x) => zero_part_where_not_positive(&x[first..], y),
        });
    }
}

/// `f(y[p], bias)` for each pixel p.
#[inline(always)]
fn rows(y: &mut [f32], bias: &[f32], f: impl Fn(&mut f32, f32)) {
    for y in y.chunks_exact_mut(bias.len()) {
        for (y, &bias) in y.iter_mut().zip(bias) {
            f(y, bias);
        }
    }
}
