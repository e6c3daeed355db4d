//! Local response normalization (LRN) across channels.
//!
//! ```text
//!  s[c] = k + a · Σ x[j]²                          |j − c| ≤ n/2, j in the tower of c
//!  y[c] = x[c] · s[c]^−β
//! dx[c] = dy[c] · s[c]^−β − 2aβ · x[c] · Σ dy[j] · x[j] · s[j]^(−β−1)
//! ```
//!
//! with a = α/n or a = α, see [`Lrn::alpha_over_n`].
//!
//! Shapes: `x`, `y`, `dy`, `dx` are `(B, C, H, W)`, f32; sums run over the channels of one pixel.
//! Units: activations have none; `n` counts channels.
//! Errors: rank other than 4, dtype other than f32, no elements, even `n`, a number of channels
//! that `towers` does not divide, `dy` of another shape than `x`.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.3.
//! Deviations: the paper prints a = α; its authors' program divides by n (cuda-convnet2,
//! `layer.py`, `NormLayerParser`). The paper does not say that a window stops at the edge of a
//! tower; in the program each tower is normalized on its own GPU, so it does.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::launch::LrnConstants;
use super::power::Power;
use super::window_sums::{Rows, window_sums};
use crate::cpu::simd::vectorized;
use crate::layout::{check_shape, dims4, nchw, nhwc, produce, values};

/// The constants of the formula.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lrn {
    /// Window, in channels; odd.
    pub n: usize,
    /// Weight of the window's squares: of their mean if `alpha_over_n`, else of their sum.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Offset that keeps the scale away from zero.
    pub k: f32,
    /// Equal blocks of channels whose edges no window crosses; 1 for a network without towers.
    pub towers: usize,
    /// Whether a = α/n (the authors' program, Caffe, PyTorch) or a = α (the paper's text).
    pub alpha_over_n: bool,
}

impl Lrn {
    /// `x` (B, C, H, W) to `y` of the same shape.
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and constants that have no meaning.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        nchw(&nhwc(x)?.apply_op1(Forward(*self))?)
    }

    /// The gradient by `x` (B, C, H, W), given that by `y` (B, C, H, W).
    ///
    /// # Errors
    ///
    /// Those of [`Lrn::forward`], and `dy` of another shape than `x`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        self.apply_backward(x, dy, false)
    }

    /// The gradient by what `x` (B, C, H, W) was before it was rectified: that by `x` where `x > 0`, else 0.
    ///
    /// # Errors
    ///
    /// Those of [`Lrn::backward`].
    pub fn backward_rectified(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        self.apply_backward(x, dy, true)
    }

    fn apply_backward(&self, x: &Tensor, dy: &Tensor, rectified: bool) -> Result<Tensor> {
        self.check(x)?;
        check_shape("lrn", "the gradient", dy, x.dims())?;
        let op = Backward { lrn: *self, rectified };
        nchw(&nhwc(x)?.apply_op2_no_bwd(&nhwc(dy)?, &op)?)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        let (_, channels, _, _) = dims4("lrn", "the input", x)?;
        if self.n.is_multiple_of(2) {
            bail!("lrn: the window must be odd, got {}", self.n)
        }
        if self.towers == 0 || !channels.is_multiple_of(self.towers) {
            bail!("lrn: {channels} channels do not divide into {} towers", self.towers)
        }
        Ok(())
    }

    /// The constants as the kernels use them, for pixels of `channels` channels.
    fn constants(&self, channels: usize) -> LrnConstants {
        let row = channels / self.towers;
        let a = if self.alpha_over_n { self.alpha / self.n as f32 } else { self.alpha };
        // A window longer than the row in both directions sees no more than the row.
        let radius = (self.n / 2).min(row - 1);
        LrnConstants { row, radius, a, beta: self.beta, k: self.k }
    }

    fn kernel(&self, channels: usize) -> Kernel {
        let LrnConstants { row, radius, k, a, beta } = self.constants(channels);
        Kernel { rows: Rows::new(row, radius), row, radius, a, beta, k }
    }
}

/// Works on rows, the channels of one tower at one pixel: contiguous in memory, but only three
/// vectors for 48 channels. So what does not read `x` or `dy` is one loop over several rows.
struct Kernel {
    rows: Rows,
    /// Channels of a row.
    row: usize,
    radius: usize,
    a: f32,
    beta: f32,
    k: f32,
}

impl Kernel {
    /// `x`, `y`: any number of rows.
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let power = Power::new(self.beta);
        let (mut squares, mut p) = (self.rows.padded(), self.rows.plain());
        vectorized(
            #[inline(always)]
            || {
                let together = self.rows.floats();
                for (x, y) in x.chunks(together).zip(y.chunks_mut(together)) {
                    self.scales(x, &mut squares, &mut p);
                    power.apply(&mut p);
                    let rows = x.chunks_exact(self.row).zip(y.chunks_exact_mut(self.row));
                    for ((x, y), p) in rows.zip(self.rows.of_plain(&mut p)) {
                        for ((y, x), p) in y.iter_mut().zip(x).zip(p) {
                            *y = x * *p;
                        }
                    }
                }
            },
        );
    }

    /// `x`, `dy`, `dx`: any number of rows. `s` is computed again: cheaper than memory for it.
    /// `dx` is 0 where `x` is not above `least`.
    fn backward(&self, x: &[f32], dy: &[f32], least: f32, dx: &mut [f32]) {
        let (power, factor) = (Power::new(self.beta), 2.0 * self.a * self.beta);
        let [mut squares, mut shares] = [(); 2].map(|()| self.rows.padded());
        let (mut s, mut p) = (self.rows.plain(), self.rows.plain()); // s is 1/s, then sums
        vectorized(
            #[inline(always)]
            || {
                let together = self.rows.floats();
                let chunks = x.chunks(together).zip(dy.chunks(together));
                for ((x, dy), dx) in chunks.zip(dx.chunks_mut(together)) {
                    self.scales(x, &mut squares, &mut p);
                    power.apply_with_inverse(&mut p, &mut s);
                    // dy·s^−β, and from it each channel's share in the gradient of its neighbours.
                    let rows = x.chunks_exact(self.row).zip(dy.chunks_exact(self.row));
                    let places = self.rows.of_plain(&mut p).zip(self.rows.of_plain(&mut s));
                    let places = places.zip(self.rows.of_padded(&mut shares));
                    for ((x, dy), ((p, s), shares)) in rows.zip(places) {
                        let places = p.iter_mut().zip(s).zip(shares);
                        for ((x, dy), ((p, s), share)) in x.iter().zip(dy).zip(places) {
                            *p *= dy;
                            *share = *p * x * *s;
                        }
                    }
                    window_sums(2 * self.radius + 1, 1, &shares, &mut s);
                    let rows = x.chunks_exact(self.row).zip(dx.chunks_exact_mut(self.row));
                    let places = self.rows.of_plain(&mut p).zip(self.rows.of_plain(&mut s));
                    for ((x, dx), (p, sums)) in rows.zip(places) {
                        for ((dx, &x), (p, sum)) in dx.iter_mut().zip(x).zip(p.iter().zip(sums)) {
                            let gradient = *p - factor * x * *sum;
                            *dx = if x <= least { 0.0 } else { gradient };
                        }
                    }
                }
            },
        );
    }

    /// `s` of each window of the rows of `x`.
    #[inline(always)]
    fn scales(&self, x: &[f32], squares: &mut [f32], s: &mut [f32]) {
        for (x, squares) in x.chunks_exact(self.row).zip(self.rows.of_padded(squares)) {
            for (square, x) in squares.iter_mut().zip(x) {
                *square = x * x;
            }
        }
        window_sums(2 * self.radius + 1, 1, squares, s);
        for s in s {
            *s = self.k + self.a * *s;
        }
    }
}

/// `x → y`, both (B, H, W, C).
struct Forward(Lrn);

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "lrn"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        let constants = self.0.constants(l.shape().dims4()?.3);
        Ok((super::cuda::lrn(&constants, x, l)?, l.shape().clone()))
    }

    fn cpu_fwd(&self, x: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, h, w, c) = l.shape().dims4()?;
        let (kernel, x) = (self.0.kernel(c), values::<f32>("lrn", x, l)?);
        produce(l.shape(), |y| {
            let images = y.par_chunks_mut(h * w * c).zip(x.par_chunks(h * w * c));
            images.for_each(|(y, x)| kernel.forward(x, y));
            Ok(())
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let backward = Backward { lrn: self.0, rectified: false };
        x.apply_op2_no_bwd(&dy.contiguous()?, &backward).map(Some)
    }
}

/// `(x, dy) → dx`, all (B, H, W, C).
struct Backward {
    lrn: Lrn,
    /// Whether `dx` is 0 where `x` is not above 0.
    rectified: bool,
}

impl CustomOp2 for Backward {
    fn name(&self) -> &'static str {
        "lrn-backward"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        l: &Layout,
        dy: &CudaStorage,
        dy_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let constants = self.lrn.constants(l.shape().dims4()?.3);
        let dx = super::cuda::lrn_backward(&constants, (x, l), (dy, dy_l), self.rectified)?;
        Ok((dx, l.shape().clone()))
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        l: &Layout,
        dy: &CpuStorage,
        dy_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, h, w, c) = l.shape().dims4()?;
        let kernel = self.lrn.kernel(c);
        let least = if self.rectified { 0.0 } else { f32::NEG_INFINITY };
        let (x, dy) = (values::<f32>("lrn", x, l)?, values::<f32>("lrn", dy, dy_l)?);
        produce(l.shape(), |dx| {
            let (x, dy) = (x.par_chunks(h * w * c), dy.par_chunks(h * w * c));
            let images = dx.par_chunks_mut(h * w * c).zip(x).zip(dy);
            images.for_each(|((dx, x), dy)| kernel.backward(x, dy, least, dx));
            Ok(())
        })
    }
}
