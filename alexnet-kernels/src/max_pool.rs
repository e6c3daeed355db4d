//! Max-pooling with any kernel and stride, so also the paper's overlapping one (3 by 3, stride 2).
//!
//! ```text
//!  y[h,w] = max x[h·stride + i, w·stride + j]         0 ≤ i, j < kernel, inside the map
//! dx[h,w] = Σ dy of the windows whose maximum is (h, w)
//! H' = ⌊(H − kernel) / stride⌋ + 1,  or ⌈ ⌉ with `ceil`
//! ```
//!
//! Shapes: `x`, `dx` are `(B, C, H, W)`; `y`, `dy` are `(B, C, H', W')`; f32.
//! Units: `kernel` and `stride` count pixels.
//! Errors: rank other than 4, dtype other than f32, no elements, kernel or stride 0, kernel
//! larger than the map, `dy` of another shape than `y`.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.4; `ceil` is what the authors' program does.
//! Deviations: of equal maxima the first in scan order takes the whole gradient, as in PyTorch and
//! Caffe; in the authors' program each takes it. With `ceil` and stride > kernel, a last window
//! that would lie outside the map altogether is left out. NaN counts as larger than any number,
//! so that a diverged run is seen.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::dense::{check_shape, dims4, nchw, nhwc, produce, values};
use crate::simd::vectorized;

/// The window and its steps, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxPool2d {
    /// Side of the window, in pixels.
    pub kernel: usize,
    /// Distance between windows, in pixels; larger than `kernel` leaves pixels out.
    pub stride: usize,
    /// Whether a last window may hang over the edge, where it sees only the pixels there are.
    pub ceil: bool,
}

impl MaxPool2d {
    /// Height and width of the output for a map of `input` height and width.
    ///
    /// # Errors
    ///
    /// Kernel or stride 0, kernel larger than the map.
    pub fn output_size(&self, (height, width): (usize, usize)) -> Result<(usize, usize)> {
        Ok((self.output_length(height)?, self.output_length(width)?))
    }

    fn output_length(&self, input: usize) -> Result<usize> {
        let Self { kernel, stride, ceil } = *self;
        if kernel == 0 || stride == 0 {
            bail!("max-pool: kernel {kernel} and stride {stride} must be at least 1")
        }
        if kernel > input {
            bail!("max-pool: the kernel, {kernel} pixels, is larger than the map, {input}")
        }
        let steps = input - kernel;
        let last = if ceil { steps.div_ceil(stride) } else { steps / stride };
        // With stride > kernel the last window may begin outside the map.
        Ok(if last * stride < input { last + 1 } else { last })
    }

    /// `x` (B, C, H, W) to `y` (B, C, H', W').
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and windows that have no meaning.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, h, w) = dims4("max-pool", "the input", x)?;
        self.output_size((h, w))?;
        nchw(&nhwc(x)?.apply_op1(Forward(*self))?)
    }

    /// The gradient by `x` (B, C, H, W), given that by `y` (B, C, H', W').
    ///
    /// # Errors
    ///
    /// Those of [`MaxPool2d::forward`], and `dy` of another shape than `y`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let (b, c, h, w) = dims4("max-pool", "the input", x)?;
        let (out_h, out_w) = self.output_size((h, w))?;
        check_shape("max-pool", "the gradient", dy, &[b, c, out_h, out_w])?;
        nchw(&nhwc(x)?.apply_op2_no_bwd(&nhwc(dy)?, &Backward(*self))?)
    }
}

/// The sizes of one image: (H, W, C) in, (H', W', C) out.
struct Kernel {
    op: MaxPool2d,
    input: (usize, usize),
    output: (usize, usize),
    c: usize,
}

impl Kernel {
    fn new(op: MaxPool2d, (h, w, c): (usize, usize, usize)) -> Result<Self> {
        Ok(Self { op, input: (h, w), output: op.output_size((h, w))?, c })
    }

    /// Calls `f` with the offset of each output pixel, and the offsets of its window's pixels.
    #[inline(always)]
    fn windows(&self, mut f: impl FnMut(usize, &[usize])) {
        let Self { op: MaxPool2d { kernel, stride, .. }, input: (h, w), output, c } = *self;
        let mut window = Vec::with_capacity(kernel * kernel);
        for out_h in 0..output.0 {
            for out_w in 0..output.1 {
                let (top, left) = (out_h * stride, out_w * stride);
                window.clear();
                for row in top..(top + kernel).min(h) {
                    window.extend((left..(left + kernel).min(w)).map(|col| (row * w + col) * c));
                }
                f((out_h * output.1 + out_w) * c, &window);
            }
        }
    }

    /// One image: `x` (H, W, C), `y` (H', W', C).
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                self.windows(
                    #[inline(always)]
                    |at, window| self.maxima(x, window, &mut y[at..][..self.c]),
                );
            },
        );
    }

    /// One image: `x`, `dx` (H, W, C), `dy` (H', W', C).
    fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let c = self.c;
        let (mut max, mut left) = (vec![0.0; c], vec![0.0; c]);
        vectorized(
            #[inline(always)]
            || {
                dx.fill(0.0);
                self.windows(
                    #[inline(always)]
                    |at, window| {
                        self.maxima(x, window, &mut max);
                        // The first pixel that equals the maximum takes the gradient; zero is left.
                        left.copy_from_slice(&dy[at..][..c]);
                        for &pixel in window {
                            let pixels = x[pixel..][..c].iter().zip(&mut dx[pixel..][..c]);
                            for ((&x, dx), (left, &max)) in pixels.zip(left.iter_mut().zip(&max)) {
                                let takes = (x == max) | x.is_nan();
                                *dx += if takes { *left } else { 0.0 };
                                *left = if takes { 0.0 } else { *left };
                            }
                        }
                    },
                );
            },
        );
    }

    /// The maximum of each channel over a window; NaN if there is one.
    #[inline(always)]
    fn maxima(&self, x: &[f32], window: &[usize], max: &mut [f32]) {
        max.copy_from_slice(&x[window[0]..][..self.c]);
        for &pixel in &window[1..] {
            for (max, &x) in max.iter_mut().zip(&x[pixel..][..self.c]) {
                *max = if (x > *max) | x.is_nan() { x } else { *max };
            }
        }
    }
}

/// `x` (B, H, W, C) → `y` (B, H', W', C).
struct Forward(MaxPool2d);

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (b, h, w, c) = l.shape().dims4()?;
        let kernel = Kernel::new(self.0, (h, w, c))?;
        let (out_h, out_w) = kernel.output;
        let x = values::<f32>("max-pool", x, l)?;
        produce((b, out_h, out_w, c), |y| {
            let images = y.par_chunks_mut(out_h * out_w * c).zip(x.par_chunks(h * w * c));
            images.for_each(|(y, x)| kernel.forward(x, y));
            Ok(())
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        x.apply_op2_no_bwd(&dy.contiguous()?, &Backward(self.0)).map(Some)
    }
}

/// `x` (B, H, W, C), `dy` (B, H', W', C) → `dx` (B, H, W, C).
struct Backward(MaxPool2d);

impl CustomOp2 for Backward {
    fn name(&self) -> &'static str {
        "max-pool-backward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        l: &Layout,
        dy: &CpuStorage,
        dy_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, h, w, c) = l.shape().dims4()?;
        let kernel = Kernel::new(self.0, (h, w, c))?;
        let (out_h, out_w) = kernel.output;
        let (x, dy) = (values::<f32>("max-pool", x, l)?, values::<f32>("max-pool", dy, dy_l)?);
        produce(l.shape(), |dx| {
            let (x, dy) = (x.par_chunks(h * w * c), dy.par_chunks(out_h * out_w * c));
            let images = dx.par_chunks_mut(h * w * c).zip(x).zip(dy);
            images.for_each(|((dx, x), dy)| kernel.backward(x, dy, dx));
            Ok(())
        })
    }
}
