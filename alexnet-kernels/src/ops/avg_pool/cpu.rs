//! Average pooling on the CPU: image by image, all channels of a pixel together.

use rayon::prelude::*;

use super::launch::AvgPoolSize;
use crate::cpu::elementwise::zero_part_where_not_positive;
use crate::cpu::simd::vectorized;
use crate::ops::pooling::windows_over;

/// The loops over a batch: (B, H, W, C) in, (B, H', W', C) out.
impl AvgPoolSize {
    /// `y` of `x`.
    pub(super) fn averages(&self, x: &[f32], y: &mut [f32]) {
        let (input, output) = (self.inputs() / self.batch, self.outputs() / self.batch);
        let images = y.par_chunks_mut(output).zip(x.par_chunks(input));
        images.for_each(|(y, x)| vectorized!(self.image_averages(x, y)));
    }

    #[inline(always)]
    fn image_averages(&self, x: &[f32], y: &mut [f32]) {
        let Self { kernel, stride, input: (h, w), output, channels: c, .. } = *self;
        for (number, y) in y.chunks_exact_mut(c).enumerate() {
            let (top, left) = (number / output.1 * stride, number % output.1 * stride);
            y.fill(0.0);
            for row in top..(top + kernel).min(h) {
                for column in left..(left + kernel).min(w) {
                    let x = &x[(row * w + column) * c..][..c];
                    for (y, x) in y.iter_mut().zip(x) {
                        *y += x;
                    }
                }
            }
            let share = self.share(top, left);
            for y in y {
                *y *= share;
            }
        }
    }

    /// `dx`, and where there is an `x`, 0 where that is not above 0.
    pub(super) fn gradient(&self, dy: &[f32], x: Option<&[f32]>, dx: &mut [f32]) {
        let (input, output) = (self.inputs() / self.batch, self.outputs() / self.batch);
        let images = dx.par_chunks_mut(input).zip(dy.par_chunks(output)).enumerate();
        images.for_each(|(image, (dx, dy))| {
            vectorized!({
                self.image_gradient(dy, dx);
                if let Some(x) = x {
                    zero_part_where_not_positive(&x[image * input..], dx);
                }
            });
        });
    }

    #[inline(always)]
    fn image_gradient(&self, dy: &[f32], dx: &mut [f32]) {
        let Self { kernel, stride, input: (_, w), output, channels: c, .. } = *self;
        for (number, dx) in dx.chunks_exact_mut(c).enumerate() {
            dx.fill(0.0);
            for out_h in windows_over(number / w, (kernel, stride), output.0) {
                for out_w in windows_over(number % w, (kernel, stride), output.1) {
                    let share = self.share(out_h * stride, out_w * stride);
                    let dy = &dy[(out_h * output.1 + out_w) * c..][..c];
                    for (dx, dy) in dx.iter_mut().zip(dy) {
                        *dx += dy * share;
                    }
                }
            }
        }
    }

    /// 1 / n of the window that begins at this row and column.
    #[inline(always)]
    fn share(&self, top: usize, left: usize) -> f32 {
        let along = |first: usize, end: usize| self.kernel.min(end - first);
        1.0 / (along(top, self.input.0) * along(left, self.input.1)) as f32
    }
}
