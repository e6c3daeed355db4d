//! Max-pooling on the CPU: image by image, with the maxima of a block of channels in registers.

use rayon::prelude::*;

use super::launch::PoolSize;
use crate::cpu::simd::vectorized;
use crate::ops::activation::function::relu;
use crate::ops::fusion::Epilogue;
use crate::ops::pooling::windows_over;

/// Channels whose maxima are found together: an AVX-512 vector.
const BLOCK: usize = 16;

/// The type of an argmax: the number of a pixel in its window, in scan order. The unit type is for
/// callers that need none.
pub(super) trait Argmax: Copy + PartialEq + Send + Sync {
    /// The value for no pixel, where no gradient flows back.
    const NONE: Self;

    fn of(number: u32) -> Self;
}

impl Argmax for u8 {
    const NONE: Self = Self::MAX;

    #[inline(always)]
    fn of(number: u32) -> Self {
        number as u8
    }
}

impl Argmax for u32 {
    const NONE: Self = Self::MAX;

    #[inline(always)]
    fn of(number: u32) -> Self {
        number
    }
}

impl Argmax for () {
    const NONE: Self = ();

    #[inline(always)]
    fn of(_: u32) -> Self {}
}

/// What is done with maxima.
#[derive(Clone, Copy)]
pub(crate) struct Maxima {
    pub(crate) epilogue: Epilogue,
    /// Whether a maximum that is not above 0 passes no gradient on: its argmax is
    /// [`Argmax::NONE`].
    pub(crate) through_relu: bool,
}

/// The loops over a batch: (B, H, W, C) in, (B, H', W', C) out.
impl PoolSize {
    /// `y` of `x`, and the argmax of each maximum.
    pub(super) fn maxima<A: Argmax>(
        &self,
        x: &[f32],
        how: Maxima,
        y: &mut [f32],
        argmax: &mut [A],
    ) {
        let (input, output) = (self.inputs() / self.batch, self.outputs() / self.batch);
        let images = y.par_chunks_mut(output).zip(argmax.par_chunks_mut(output));
        images.zip(x.par_chunks(input)).for_each(|((y, argmax), x)| {
            vectorized!(self.image_maxima(x, how, y, argmax));
        });
    }

    #[inline(always)]
    fn image_maxima<A: Argmax>(&self, x: &[f32], how: Maxima, y: &mut [f32], argmax: &mut [A]) {
        let Self { kernel, stride, input: (h, w), output, channels, .. } = *self;
        let mut window = Vec::with_capacity(kernel * kernel);
        let row = output.1 * channels;
        let rows = y.chunks_exact_mut(row).zip(argmax.chunks_exact_mut(row));
        for (out_h, (y, argmax)) in rows.enumerate() {
            let pixels = y.chunks_exact_mut(channels).zip(argmax.chunks_exact_mut(channels));
            for (out_w, (y, argmax)) in pixels.enumerate() {
                let (top, left) = (out_h * stride, out_w * stride);
                window.clear();
                for row in top..(top + kernel).min(h) {
                    let number = |col| ((row - top) * kernel + col - left) as u32;
                    let columns = left..(left + kernel).min(w);
                    window.extend(columns.map(|col| ((row * w + col) * channels, number(col))));
                }
                let whole = channels / BLOCK * BLOCK;
                for c in (0..whole).step_by(BLOCK) {
                    block_maxima::<A, BLOCK>(x, &window, c, how, y, argmax);
                }
                for c in whole..channels {
                    block_maxima::<A, 1>(x, &window, c, how, y, argmax);
                }
            }
        }
    }

    /// `dx`: the gradient of a pixel is the sum over the windows of which it is the argmax.
    pub(super) fn gradient<A: Argmax>(&self, argmax: &[A], dy: &[f32], dx: &mut [f32]) {
        let (input, output) = (self.inputs() / self.batch, self.outputs() / self.batch);
        let images = dx.par_chunks_mut(input).zip(argmax.par_chunks(output));
        images.zip(dy.par_chunks(output)).for_each(|((dx, argmax), dy)| {
            vectorized!(self.image_gradient(argmax, dy, dx));
        });
    }

    #[inline(always)]
    fn image_gradient<A: Argmax>(&self, argmax: &[A], dy: &[f32], dx: &mut [f32]) {
        let PoolSize { kernel, stride, input: (h, w), output, channels: c, .. } = *self;
        let windows = |at: usize, count: usize| windows_over(at, (kernel, stride), count);
        let mut pixels = dx.chunks_exact_mut(c);
        for row in 0..h {
            for column in 0..w {
                let Some(dx) = pixels.next() else { return };
                dx.fill(0.0);
                for out_h in windows(row, output.0) {
                    for out_w in windows(column, output.1) {
                        let number = (row - out_h * stride) * kernel + column - out_w * stride;
                        let (at, number) = ((out_h * output.1 + out_w) * c, A::of(number as u32));
                        let (argmax, dy) = (&argmax[at..][..c], &dy[at..][..c]);
                        for ((dx, dy), here) in dx.iter_mut().zip(dy).zip(argmax) {
                            *dx += if *here == number { *dy } else { 0.0 };
                        }
                    }
                }
            }
        }
    }
}

/// The maximum over a window of each of the `N` channels from `c` on, and its argmax; NaN if the
/// window has one. A window is the offset of each of its pixels in the image, and its number.
#[inline(always)]
fn block_maxima<A: Argmax, const N: usize>(
    x: &[f32],
    window: &[(usize, u32)],
    c: usize,
    how: Maxima,
    y: &mut [f32],
    argmax: &mut [A],
) {
    let (mut max, mut found) = ([f32::NEG_INFINITY; N], [window[0].1; N]);
    for &(pixel, number) in window {
        let x = &x[pixel + c..][..N];
        for i in 0..N {
            let takes = (x[i] > max[i]) | x[i].is_nan();
            max[i] = if takes { x[i] } else { max[i] };
            found[i] = if takes { number } else { found[i] };
        }
    }
    if how.epilogue == Epilogue::Relu {
        max = max.map(relu);
    }
    y[c..][..N].copy_from_slice(&max);
    for (i, argmax) in argmax[c..][..N].iter_mut().enumerate() {
        *argmax = if how.through_relu & (max[i] <= 0.0) { A::NONE } else { A::of(found[i]) };
    }
}
