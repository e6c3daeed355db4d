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
use candle_core::{CpuStorage, Module, Result, Tensor, bail};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use super::launch::MapConstants;
use super::power::Power;
use super::window_sums::window_sums;
use crate::check::{check_shape, dims4};
use crate::cpu::scratch::with_scratch;
use crate::cpu::simd::vectorized;
#[cfg(feature = "cuda")]
use crate::cuda::launch::MapSize;
use crate::layout::{nchw, nhwc};
use crate::op::{Apply, Input, Op, Outputs, produce};
use crate::ops::fusion::InputGrad;

/// Response normalization within a map.
///
/// ```
/// use alexnet_kernels::MapNorm;
/// use candle_core::{Device, Module, Result, Tensor};
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[1f32, 2.0, 1.0], &Device::Cpu)?.reshape((1, 1, 1, 3))?;
/// let norm = MapNorm { n: 3, alpha: 9.0, beta: 1.0, k: 1.0 }; // α/n² = 1
/// let y = norm.forward(&x)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [1.0 / 6.0, 2.0 / 7.0, 1.0 / 6.0]);
/// # Ok(())
/// # }
/// ```
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

impl Module for MapNorm {
    /// `x` `(B, C, H, W)` to `y` of the same shape.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        nchw(&Forward(*self).apply([&nhwc(x)?])?)
    }
}

impl MapNorm {
    /// The gradient with respect to the input, given `x` and `dy`, that with respect to the output:
    /// all `(B, C, H, W)`. `None` with [`InputGrad::Skip`].
    ///
    /// # Errors
    ///
    /// Those of `forward`, and `dy` of another shape than `x`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor, input: InputGrad) -> Result<Option<Tensor>> {
        self.check(x)?;
        check_shape("map-norm", "the gradient", dy, x.dims())?;
        if input == InputGrad::Skip {
            return Ok(None);
        }
        let backward = Backward { norm: *self, through_relu: input.through_relu() };
        nchw(&backward.run_one([&nhwc(x)?, &nhwc(dy)?])?).map(Some)
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
    /// Constants and sizes as the CUDA kernels take them, for images (H, W, C).
    fn launch_sizes(&self, (_, h, w, c): (usize, usize, usize, usize)) -> (MapConstants, MapSize) {
        let Kernel { radius, a, beta, k, .. } = Kernel::new(*self, (h, w, c));
        let constants = MapConstants { reach: [radius.0, radius.1], k, a, beta };
        (constants, MapSize { height: h, width: w, channels: c })
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

impl Op<1> for Forward {
    const NAME: &'static str = "map-norm";

    fn cpu(&self, [x]: [Input<'_, CpuStorage>; 1]) -> Result<Outputs<CpuStorage>> {
        let (_, h, w, c) = x.dims4()?;
        let (kernel, values) = (Kernel::new(self.0, (h, w, c)), x.values::<f32>()?);
        let y = produce(x.shape(), |y| {
            let images = y.par_chunks_mut(h * w * c).zip(values.par_chunks(h * w * c));
            images.for_each(|(y, x)| kernel.forward(x, y));
            Ok(())
        })?;
        Ok(y.into())
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: [Input<'_, CudaStorage>; 1]) -> Result<Outputs<CudaStorage>> {
        let (constants, size) = self.0.launch_sizes(x.dims4()?);
        super::cuda::map_norm(&constants, size, &x)
    }

    fn gradients(&self, [x]: [&Tensor; 1], _: &Tensor, dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Backward { norm: self.0, through_relu: false }.run_one([x, dy]).map(|dx| [Some(dx)])
    }
}

/// `(x, dy) → dx`, all (B, H, W, C).
struct Backward {
    norm: MapNorm,
    /// Whether `dx` is 0 where `x` is not above 0.
    through_relu: bool,
}

impl Op<2> for Backward {
    const NAME: &'static str = "map-norm-backward";

    fn cpu(&self, [x, dy]: [Input<'_, CpuStorage>; 2]) -> Result<Outputs<CpuStorage>> {
        let (_, h, w, c) = x.dims4()?;
        let kernel = Kernel::new(self.norm, (h, w, c));
        let (shape, x, dy) = (x.shape(), x.values::<f32>()?, dy.values::<f32>()?);
        let dx = produce(shape, |dx| {
            let (x, dy) = (x.par_chunks(h * w * c), dy.par_chunks(h * w * c));
            let images = dx.par_chunks_mut(h * w * c).zip(x).zip(dy);
            images.for_each(|((dx, x), dy)| {
                with_scratch(x.len(), |shares| kernel.backward(x, dy, shares, dx));
                if self.through_relu {
                    dx.iter_mut().zip(x).for_each(|(dx, x)| *dx = if *x > 0.0 { *dx } else { 0.0 });
                }
            });
            Ok(())
        })?;
        Ok(dx.into())
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x, dy]: [Input<'_, CudaStorage>; 2]) -> Result<Outputs<CudaStorage>> {
        let (constants, size) = self.norm.launch_sizes(x.dims4()?);
        super::cuda::map_norm_backward(&constants, size, [&x, &dy], self.through_relu)
    }
}
