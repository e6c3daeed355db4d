//! The loops of max-pooling over one image at a time, a block of channels in registers.

use candle_core::{Result, Shape};
use rayon::prelude::*;

use super::MaxPool2d;
use crate::cpu::pool::Element;
use crate::cpu::simd::vectorized;
use crate::ops::relu::relu;

/// Channels that are worked on together: a vector of the widest kind.
const BLOCK: usize = 16;

/// A place in a window, in scan order.
pub(super) trait Place: Element + Copy + PartialEq + Send + Sync {
    /// No place.
    const NONE: Self;

    fn of(place: u32) -> Self;
}

impl Place for u8 {
    const NONE: Self = u8::MAX;

    #[inline(always)]
    fn of(place: u32) -> Self {
        place as u8
    }
}

impl Place for u32 {
    const NONE: Self = u32::MAX;

    #[inline(always)]
    fn of(place: u32) -> Self {
        place
    }
}

/// Sizes that fit each other: (B, H, W, C) in, (B, H', W', C) out.
pub(super) struct Kernel {
    pool: MaxPool2d,
    batch: usize,
    input: (usize, usize),
    output: (usize, usize),
    c: usize,
}

impl Kernel {
    pub(super) fn new(
        pool: MaxPool2d,
        (batch, h, w, c): (usize, usize, usize, usize),
    ) -> Result<Self> {
        Ok(Self { pool, batch, input: (h, w), output: pool.output_size((h, w))?, c })
    }

    pub(super) fn output_shape(&self) -> Shape {
        Shape::from((self.batch, self.output.0, self.output.1, self.c))
    }

    fn input_image(&self) -> usize {
        self.input.0 * self.input.1 * self.c
    }

    fn output_image(&self) -> usize {
        self.output.0 * self.output.1 * self.c
    }

    /// Calls `f` with the offset of each output pixel, and its window: the offset of each pixel in it, and
    /// its place.
    #[inline(always)]
    fn windows(&self, mut f: impl FnMut(usize, &[(usize, u32)])) {
        let Self { pool: MaxPool2d { kernel, stride, .. }, input: (h, w), output, c, .. } = *self;
        let mut window = Vec::with_capacity(kernel * kernel);
        for out_h in 0..output.0 {
            for out_w in 0..output.1 {
                let (top, left) = (out_h * stride, out_w * stride);
                window.clear();
                for row in top..(top + kernel).min(h) {
                    let place = |col| ((row - top) * kernel + col - left) as u32;
                    let columns = left..(left + kernel).min(w);
                    window.extend(columns.map(|col| ((row * w + col) * c, place(col))));
                }
                f((out_h * output.1 + out_w) * c, &window);
            }
        }
    }

    /// `y` of `x`.
    pub(super) fn maxima(&self, x: &[f32], rectify: bool, y: &mut [f32]) {
        let images = y.par_chunks_mut(self.output_image()).zip(x.par_chunks(self.input_image()));
        images.for_each(|(y, x)| {
            vectorized(
                #[inline(always)]
                || {
                    self.windows(
                        #[inline(always)]
                        |at, window| {
                            let y = &mut y[at..][..self.c];
                            blocks(
                                self.c,
                                #[inline(always)]
                                |c, whole| match whole {
                                    true => y[c..][..BLOCK]
                                        .copy_from_slice(&max::<BLOCK>(x, window, c, rectify).0),
                                    false => y[c] = max::<1>(x, window, c, rectify).0[0],
                                },
                            );
                        },
                    );
                },
            );
        });
    }

    /// `y` and the places of the maxima; with `skip`, that of a maximum not above 0 is none.
    pub(super) fn maxima_and_places<P: Place>(
        &self,
        x: &[f32],
        rectify: bool,
        skip: bool,
        y: &mut [f32],
        places: &mut [P],
    ) {
        let out = self.output_image();
        let images = y.par_chunks_mut(out).zip(places.par_chunks_mut(out));
        images.zip(x.par_chunks(self.input_image())).for_each(|((y, places), x)| {
            vectorized(
                #[inline(always)]
                || {
                    self.windows(
                        #[inline(always)]
                        |at, window| {
                            let (y, places) = (&mut y[at..][..self.c], &mut places[at..][..self.c]);
                            blocks(
                                self.c,
                                #[inline(always)]
                                |c, whole| match whole {
                                    true => {
                                        let result = max::<BLOCK>(x, window, c, rectify);
                                        write(result, skip, &mut y[c..], &mut places[c..]);
                                    }
                                    false => {
                                        let result = max::<1>(x, window, c, rectify);
                                        write(result, skip, &mut y[c..], &mut places[c..]);
                                    }
                                },
                            );
                        },
                    );
                },
            );
        });
    }

    /// `dx`: each pixel collects from the windows that it is in.
    pub(super) fn gradient<P: Place>(&self, places: &[P], dy: &[f32], dx: &mut [f32]) {
        let out = self.output_image();
        let images = dx.par_chunks_mut(self.input_image()).zip(places.par_chunks(out));
        images.zip(dy.par_chunks(out)).for_each(|((dx, places), dy)| {
            vectorized(
                #[inline(always)]
                || self.image_gradient(places, dy, dx),
            );
        });
    }

    #[inline(always)]
    fn image_gradient<P: Place>(&self, places: &[P], dy: &[f32], dx: &mut [f32]) {
        let Self { pool: MaxPool2d { kernel, stride, .. }, input: (h, w), output, c, .. } = *self;
        // The windows along one side that a pixel is in.
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
                        let place = (row - out_h * stride) * kernel + column - out_w * stride;
                        let (at, place) = ((out_h * output.1 + out_w) * c, P::of(place as u32));
                        let (places, dy) = (&places[at..][..c], &dy[at..][..c]);
                        for ((dx, dy), here) in dx.iter_mut().zip(dy).zip(places) {
                            *dx += if *here == place { *dy } else { 0.0 };
                        }
                    }
                }
            }
        }
    }
}

/// `f(c, true)` for each first channel of a whole block, then `f(c, false)` for each channel left.
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

/// Maxima and places to where they go; with `skip`, no place for a maximum not above 0.
#[inline(always)]
fn write<P: Place, const N: usize>(
    (max, found): ([f32; N], [u32; N]),
    skip: bool,
    y: &mut [f32],
    places: &mut [P],
) {
    y[..N].copy_from_slice(&max);
    for (i, place) in places[..N].iter_mut().enumerate() {
        *place = if skip & (max[i] <= 0.0) { P::NONE } else { P::of(found[i]) };
    }
}

/// The maximum of each of `N` channels from `c` on over a window, and its place; NaN if there is one.
#[inline(always)]
fn max<const N: usize>(
    x: &[f32],
    window: &[(usize, u32)],
    c: usize,
    rectify: bool,
) -> ([f32; N], [u32; N]) {
    let (mut max, mut places) = ([f32::NEG_INFINITY; N], [window[0].1; N]);
    for &(pixel, place) in window {
        let x = &x[pixel + c..][..N];
        for i in 0..N {
            let takes = (x[i] > max[i]) | x[i].is_nan();
            max[i] = if takes { x[i] } else { max[i] };
            places[i] = if takes { place } else { places[i] };
        }
    }
    if rectify {
        max = max.map(relu);
    }
    (max, places)
}
