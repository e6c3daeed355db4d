//! Response normalization within a map: LRN whose window is a square of pixels of one channel.
//!
//! ```text
//!  s[h,w] = k + α/n² · Σ x[i,j]²        |i − h| ≤ n/2, |j − w| ≤ n/2, (i, j) inside the map
//!  y[h,w] = x[h,w] · s[h,w]^−β
//! dx[h,w] = dy[h,w] · s[h,w]^−β − 2α/n²·β · x[h,w] · Σ dy[i,j] · x[i,j] · s[i,j]^(−β−1)
//! ```
//!
//! Shapes: `x`, `y`, `dy`, `dx` are `(B, C, H, W)`, f32; sums run over the pixels of one channel.
//! Units: activations have none; `n` counts pixels.
//! Errors: rank other than 4, dtype other than f32, no elements, even `n`, `dy` of another shape
//! than `x`.
//! Source: layer `cnorm2` of layer file #145 of the authors' released program; the paper does
//! not mention it. The divisor stays n² at the borders, where the window has fewer pixels.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use super::launch::MapConstants;
use super::power::Power;
use super::window_sums::window_sums;
use crate::cpu::pool::with_scratch;
use crate::cpu::simd::vectorized;
#[cfg(feature = "cuda")]
use crate::cuda::launch::MapSize;
use crate::layout::{check_shape, dims4, nchw, nhwc, produce, values};

/// The constants of the formula.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapNorm {
    /// Side of the window, in pixels; odd.
    pub n: usize,
    /// Weight of the mean square of a whole window.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Offset that keeps the scale away from zero.
    pub k: f32,
}

impl MapNorm {
    /// `x` (B, C, H, W) to `y` of the same shape.
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and windows that have no meaning.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        nchw(&nhwc(x)?.apply_op1(Forward(*self))?)
    }

    /// The gradient by `x` (B, C, H, W), given that by `y` (B, C, H, W).
    ///
    /// # Errors
    ///
    /// Those of [`MapNorm::forward`], and `dy` of another shape than `x`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        self.gradient(x, dy, false)
    }

    /// The gradient by what `x` was before it was rectified: [`MapNorm::backward`] where `x` is above 0, else 0.
    ///
    /// # Errors
    ///
    /// Those of [`MapNorm::backward`].
    pub fn backward_rectified(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        self.gradient(x, dy, true)
    }

    fn gradient(&self, x: &Tensor, dy: &Tensor, rectified: bool) -> Result<Tensor> {
        self.check(x)?;
        check_shape("map-norm", "the gradient", dy, x.dims())?;
        let op = Backward { norm: *self, rectified };
        nchw(&nhwc(x)?.apply_op2_no_bwd(&nhwc(dy)?, &op)?)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        dims4("map-norm", "the input", x)?;
        if self.n.is_multiple_of(2) {
            bail!("map-norm: the window must be odd, got {}", self.n)
        }
        Ok(())
    }
}

#[cfg(feature = "cuda")]
impl MapNorm {
    /// Constants and sizes as the kernels of cards take them, for tensors (B, H, W, C).
    fn on_card(&self, l: &Layout) -> Result<(MapConstants, MapSize)> {
        let (_, h, w, c) = l.shape().dims4()?;
        let Kernel { radius, a, beta, k, .. } = Kernel::new(*self, (h, w, c));
        let constants = MapConstants { reach: [radius.0, radius.1], k, a, beta };
        Ok((constants, MapSize { height: h, width: w, channels: c }))
    }
}

/// The constants and the size of one image, (H, W, C).
struct Kernel {
    h: usize,
    w: usize,
    c: usize,
    /// Window to each side, at most the width of the map.
    radius: (usize, usize),
    a: f32,
    beta: f32,
    k: f32,
}

impl Kernel {
    fn new(op: MapNorm, (h, w, c): (usize, usize, usize)) -> Self {
        let radius = ((op.n / 2).min(h - 1), (op.n / 2).min(w - 1));
        let a = op.alpha / (op.n as f32 * op.n as f32);
        Self { h, w, c, radius, a, beta: op.beta, k: op.k }
    }

    /// One image, (H, W, C).
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let power = Power::new(self.beta);
        let (mut padded, mut p) = (self.padded(), vec![0.0; self.w * self.c]);
        vectorized(
            #[inline(always)]
            || {
                for (h, y) in y.chunks_exact_mut(self.w * self.c).enumerate() {
                    self.scales(x, h, &mut padded, &mut p);
                    power.apply(&mut p);
                    for ((y, x), p) in y.iter_mut().zip(self.row(x, h)).zip(&p) {
                        *y = x * p;
                    }
                }
            },
        );
    }

    /// One image, (H, W, C); so is `shares`, which is scratch.
    fn backward(&self, x: &[f32], dy: &[f32], shares: &mut [f32], dx: &mut [f32]) {
        let (power, factor) = (Power::new(self.beta), 2.0 * self.a * self.beta);
        let mut padded = self.padded();
        let (mut s, mut p) = (vec![0.0; self.w * self.c], vec![0.0; self.w * self.c]);
        vectorized(
            #[inline(always)]
            || {
                // dx = dy·s^−β, and each pixel's share in the gradient of its neighbours.
                for (h, dx) in dx.chunks_exact_mut(self.w * self.c).enumerate() {
                    self.scales(x, h, &mut padded, &mut s);
                    p.copy_from_slice(&s);
                    power.apply(&mut p);
                    let shares = &mut shares[h * self.w * self.c..][..self.w * self.c];
                    let inputs = self.row(x, h).iter().zip(self.row(dy, h)).zip(s.iter().zip(&p));
                    for ((dx, share), ((x, dy), (s, p))) in dx.iter_mut().zip(shares).zip(inputs) {
                        *dx = dy * p;
                        *share = *dx * x / s;
                    }
                }
                for (h, dx) in dx.chunks_exact_mut(self.w * self.c).enumerate() {
                    self.sums(shares, h, |share| share, &mut padded, &mut s);
                    for ((dx, x), sum) in dx.iter_mut().zip(self.row(x, h)).zip(&s) {
                        *dx -= factor * x * sum;
                    }
                }
            },
        );
    }

    /// `s` of the pixels of row `h`.
    #[inline(always)]
    fn scales(&self, x: &[f32], h: usize, padded: &mut [f32], s: &mut [f32]) {
        self.sums(x, h, |x| x * x, padded, s);
        for s in s {
            *s = self.k + self.a * *s;
        }
    }

    /// Sums of `f(x)` over the windows of row `h`: down the columns, then along the row.
    #[inline(always)]
    fn sums(
        &self,
        x: &[f32],
        h: usize,
        f: impl Fn(f32) -> f32,
        padded: &mut [f32],
        sums: &mut [f32],
    ) {
        let (up, side) = self.radius;
        let columns = &mut padded[side * self.c..][..self.w * self.c];
        let first = h.saturating_sub(up);
        for (sum, &x) in columns.iter_mut().zip(self.row(x, first)) {
            *sum = f(x);
        }
        for i in first + 1..(h + up + 1).min(self.h) {
            for (sum, &x) in columns.iter_mut().zip(self.row(x, i)) {
                *sum += f(x);
            }
        }
        window_sums(2 * side + 1, self.c, padded, sums);
    }

    #[inline(always)]
    fn row<'a>(&self, image: &'a [f32], h: usize) -> &'a [f32] {
        &image[h * self.w * self.c..][..self.w * self.c]
    }

    /// A row of pixels with `radius` zero pixels on both sides.
    fn padded(&self) -> Vec<f32> {
        vec![0.0; (self.w + 2 * self.radius.1) * self.c]
    }
}

/// `x → y`, both (B, H, W, C).
struct Forward(MapNorm);

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "map-norm"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        let (constants, size) = self.0.on_card(l)?;
        Ok((super::cuda::map_norm(&constants, size, x, l)?, l.shape().clone()))
    }

    fn cpu_fwd(&self, x: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, h, w, c) = l.shape().dims4()?;
        let (kernel, x) = (Kernel::new(self.0, (h, w, c)), values::<f32>("map-norm", x, l)?);
        produce(l.shape(), |y| {
            let images = y.par_chunks_mut(h * w * c).zip(x.par_chunks(h * w * c));
            images.for_each(|(y, x)| kernel.forward(x, y));
            Ok(())
        })
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        x.apply_op2_no_bwd(&dy.contiguous()?, &Backward { norm: self.0, rectified: false })
            .map(Some)
    }
}

/// `(x, dy) → dx`, all (B, H, W, C).
struct Backward {
    norm: MapNorm,
    /// Whether `dx` is 0 where `x` is not above 0.
    rectified: bool,
}

impl CustomOp2 for Backward {
    fn name(&self) -> &'static str {
        "map-norm-backward"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        l: &Layout,
        dy: &CudaStorage,
        dy_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (constants, size) = self.norm.on_card(l)?;
        let (x, dy) = ((x, l), (dy, dy_l));
        let dx = super::cuda::map_norm_backward(&constants, size, x, dy, self.rectified)?;
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
        let kernel = Kernel::new(self.norm, (h, w, c));
        let (x, dy) = (values::<f32>("map-norm", x, l)?, values::<f32>("map-norm", dy, dy_l)?);
        produce(l.shape(), |dx| {
            let (x, dy) = (x.par_chunks(h * w * c), dy.par_chunks(h * w * c));
            let images = dx.par_chunks_mut(h * w * c).zip(x).zip(dy);
            images.for_each(|((dx, x), dy)| {
                with_scratch(x.len(), |shares| kernel.backward(x, dy, shares, dx));
                if self.rectified {
                    dx.iter_mut().zip(x).for_each(|(dx, x)| *dx = if *x > 0.0 { *dx } else { 0.0 });
                }
            });
            Ok(())
        })
    }
}
