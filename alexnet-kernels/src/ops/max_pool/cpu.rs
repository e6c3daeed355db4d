//! Max-pooling on the CPU: image by image, with the maxima of a block of channels in registers.

use rayon::prelude::*;

use super::launch::PoolSize;
use crate::cpu::scratch::Element;
use crate::cpu::simd::vectorized;
use crate::ops::activation::function::relu;
use crate::ops::fusion::Epilogue;

/// Channels whose maxima are found together: an AVX-512 vector.
const BLOCK: usize = 16;

/// The type of an argmax: the number of a pixel in its window, in scan order.
pub(super) trait Argmax: Element + Copy + PartialEq + Send + Sync {
    /// The value for no pixel, where no gradient flows back.
    const NONE: Self;

    fn of(number: u32) -> Self;
}

impl Argmax for u8 {
    const NONE: Self = u8::MAX;

    #[inline(always)]
    fn of(number: u32) -> Self {
        number as u8
    }
}

impl Argmax for u32 {
    const NONE: Self = u32::MAX;

    #[inline(always)]
    fn of(number: u32) -> Self {
        number
    }
}

/// The loops over a batch: (B, H, W, C) in, (B, H', W', C) out.
pub(super) struct PoolKernel(pub(super) PoolSize);

impl PoolKernel {
    fn input_image(&self) -> usize {
        self.0.inputs() / self.0.batch
    }

    fn output_image(&self) -> usize {
        self.0.outputs() / self.0.batch
    }

    /// Calls `f` with the offset of each output pixel, and with its window: the offset of each
    /// input pixel, and its number in the window.
    #[inline(always)]
    fn windows(&self, mut f: impl FnMut(usize, &[(usize, u32)])) {
        let PoolSize { kernel, stride, input: (h, w), output, channels: c, .. } = self.0;
        let mut window = Vec::with_capacity(kernel * kernel);
        for out_h in 0..output.0 {
            for out_w in 0..output.1 {
                let (top, left) = (out_h * stride, out_w * stride);
                window.clear();
                for row in top..(top + kernel).min(h) {
                    let number = |col| ((row - top) * kernel + col - left) as u32;
                    let columns = left..(left + kernel).min(w);
                    window.extend(columns.map(|col| ((row * w + col) * c, number(col))));
                }
                f((out_h * output.1 + out_w) * c, &window);
            }
        }
    }

    /// `y` of `x`.
    pub(super) fn maxima(&self, x: &[f32], epilogue: Epilogue, y: &mut [f32]) {
        let images = y.par_chunks_mut(self.output_image()).zip(x.par_chunks(self.input_image()));
        images.for_each(|(y, x)| {
            vectorized(
                #[inline(always)]
                || {
                    self.windows(
                        #[inline(always)]
                        |at, window| {
                            let y = &mut y[at..][..self.0.channels];
                            blocks(
                                self.0.channels,
                                #[inline(always)]
                                |c, whole| match whole {
                                    true => y[c..][..BLOCK]
                                        .copy_from_slice(&max::<BLOCK>(x, window, c, epilogue).0),
                                    false => y[c] = max::<1>(x, window, c, epilogue).0[0],
                                },
                            );
                        },
                    );
                },
            );
        });
    }

    /// `y`, and the argmax of each maximum; with `skip`, that of a maximum not above 0 is
    /// [`Argmax::NONE`].
    pub(super) fn maxima_and_argmax<A: Argmax>(
        &self,
        x: &[f32],
        epilogue: Epilogue,
        skip: bool,
        y: &mut [f32],
        argmax: &mut [A],
    ) {
        let out = self.output_image();
        let images = y.par_chunks_mut(out).zip(argmax.par_chunks_mut(out));
        images.zip(x.par_chunks(self.input_image())).for_each(|((y, argmax), x)| {
            vectorized(
                #[inline(always)]
                || {
                    self.windows(
                        #[inline(always)]
                        |at, window| {
                            let (y, argmax) = (
                                &mut y[at..][..self.0.channels],
                                &mut argmax[at..][..self.0.channels],
                            );
                            blocks(
                                self.0.channels,
                                #[inline(always)]
                                |c, whole| match whole {
                                    true => {
                                        let result = max::<BLOCK>(x, window, c, epilogue);
                                        write(result, skip, &mut y[c..], &mut argmax[c..]);
                                    }
                                    false => {
                                        let result = max::<1>(x, window, c, epilogue);
                                        write(result, skip, &mut y[c..], &mut argmax[c..]);
                                    }
                                },
                            );
                        },
                    );
                },
            );
        });
    }

    /// `dx`: the gradient of a pixel is the sum over the windows of which it is the argmax.
    pub(super) fn gradient<A: Argmax>(&self, argmax: &[A], dy: &[f32], dx: &mut [f32]) {
        let out = self.output_image();
        let images = dx.par_chunks_mut(self.input_image()).zip(argmax.par_chunks(out));
        images.zip(dy.par_chunks(out)).for_each(|((dx, argmax), dy)| {
            vectorized(
                #[inline(always)]
                || self.image_gradient(argmax, dy, dx),
            );
        });
    }

    #[inline(always)]
    fn image_gradient<A: Argmax>(&self, argmax: &[A], dy: &[f32], dx: &mut [f32]) {
        let PoolSize { kernel, stride, input: (h, w), output, channels: c, .. } = self.0;
        // The windows that contain a pixel, along one dimension.
        let windows = |at: usize, out: usize| {
            (at + 1).saturating_sub(kernel).div_ceil(stride)..(at / stride + 1).min(out)
        };
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

/// `f(c, true)` for the first channel of each whole block, then `f(c, false)` for each remaining
/// channel.
#[inline(always)]
fn blocks(channels: usize, mut f: impl FnMut(usize, bool)) {
    let whole = channels / BLOCK * BLOCK;
    for c in (0..whole).step_by(BLOCK) {
        f(c, true);
    }
    for c in whole..channels {
        f(c, false);
    }
}

/// Writes maxima and argmax; with `skip`, the argmax of a maximum not above 0 is [`Argmax::NONE`].
#[inline(always)]
fn write<A: Argmax, const N: usize>(
    (max, found): ([f32; N], [u32; N]),
    skip: bool,
    y: &mut [f32],
    argmax: &mut [A],
) {
    y[..N].copy_from_slice(&max);
    for (i, number) in argmax[..N].iter_mut().enumerate() {
        *number = if skip & (max[i] <= 0.0) { A::NONE } else { A::of(found[i]) };
    }
}

/// The maximum over a window of each of the `N` channels from `c` on, and its argmax; NaN if the
/// window has one.
#[inline(always)]
fn max<const N: usize>(
    x: &[f32],
    window: &[(usize, u32)],
    c: usize,
    epilogue: Epilogue,
) -> ([f32; N], [u32; N]) {
    let (mut max, mut argmax) = ([f32::NEG_INFINITY; N], [window[0].1; N]);
    for &(pixel, number) in window {
        let x = &x[pixel + c..][..N];
        for i in 0..N {
            let takes = (x[i] > max[i]) | x[i].is_nan();
            max[i] = if takes { x[i] } else { max[i] };
            argmax[i] = if takes { number } else { argmax[i] };
        }
    }
    if epilogue == Epilogue::Relu {
        max = max.map(relu);
    }
    (max, argmax)
}
