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
use candle_core::{DType, Module, Result, Tensor, bail};

#[cfg(feature = "cuda")]
use super::launch;
use super::launch::MapConstants;
use super::norm::{self, ImageKernel, ResponseNorm};
use super::power::Power;
use super::window_sums::window_sums;
use crate::cpu::elementwise::zero_part_where_not_positive;
use crate::cpu::scratch::with_scratch;
use crate::cpu::simd::vectorized;
#[cfg(feature = "cuda")]
use crate::cuda::gpu::{Gpu, same, unary};
use crate::cuda::launch::{MapSize, Storage};
#[cfg(feature = "cuda")]
use crate::op::{self, Input};
use crate::ops::fusion::InputGrad;

/// Response normalization within a map.
///
/// ```
/// use alexnet_kernels::MapNorm;
/// use candle_core::{Device, Module, Tensor};
///
/// let x = Tensor::new(&[2f32, 2.0, 0.0], &Device::Cpu)?.reshape((1, 1, 1, 3))?;
/// let norm = MapNorm { n: 3, alpha: 9.0, beta: 1.0, k: 8.0 }; // s = 16, 16, 12
/// let y = norm.forward(&x)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [0.125, 0.125, 0.0]);
/// # Ok::<(), candle_core::Error>(())
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
        norm::forward(*self, x)
    }
}

impl MapNorm {
    /// The gradient with respect to the input, given `x` and `dy`, the gradient with respect to the
    /// output: all `(B, C, H, W)`. `None` with [`InputGrad::Skip`].
    ///
    /// # Errors
    ///
    /// Those of `forward`, and `dy` of another shape than `x`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor, input: InputGrad) -> Result<Option<Tensor>> {
        norm::backward(*self, x, dy, input)
    }

    /// Whether a GPU computes the gradient in one pass over memory, for maps of `(C, H, W)` of this
    /// dtype. Else it needs two f32 tensors of the size of `x` meanwhile.
    ///
    /// # Errors
    ///
    /// A dtype that is neither f32 nor bf16.
    pub fn is_one_pass_on_gpu(
        &self,
        (channels, height, width): (usize, usize, usize),
        dtype: DType,
    ) -> Result<bool> {
        let constants = self.constants(MapSize { height, width, channels });
        Ok(constants.fit_columns(Storage::of(dtype)?))
    }

    /// The constants in the form that the kernels take.
    fn constants(&self, size: MapSize) -> MapConstants {
        // A window that reaches over the map in all directions sees all of the map and no more.
        let reach = [size.height, size.width].map(|side| (self.n / 2).min(side));
        let a = self.alpha / (self.n as f32 * self.n as f32);
        MapConstants { size, reach, k: self.k, a, beta: self.beta }
    }
}

impl ResponseNorm for MapNorm {
    const NAME: &'static str = "map-norm";

    type Kernel = MapKernel;

    fn check(&self, _: usize) -> Result<()> {
        if self.n.is_multiple_of(2) {
            bail!("map-norm: the window must be odd, got {}", self.n)
        }
        Ok(())
    }

    fn kernel(&self, size: MapSize) -> MapKernel {
        let row = size.width * size.channels;
        MapKernel { row, constants: self.constants(size) }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, size: MapSize, x: &Input<'_, CudaStorage>) -> Result<op::CudaOutputs> {
        unary(x, |storage, spans| launch::map_norm(storage, &self.constants(size), spans))
    }

    #[cfg(feature = "cuda")]
    fn cuda_backward(
        &self,
        size: MapSize,
        [x, dy]: [&Input<'_, CudaStorage>; 2],
        through_relu: bool,
    ) -> Result<op::CudaOutputs> {
        let (gpu, shape, constants) = (Gpu::of(x.storage), x.shape(), &self.constants(size));
        let (x, dy) = (gpu.read(x)?, gpu.read(dy)?);
        let storage = same("the gradient", x.storage, dy.storage)?;
        gpu.produce(storage, shape, |dx| {
            let spans = [x.span, dy.span, dx];
            if let Some(at_once) =
                launch::map_norm_gradient(storage, constants, spans, through_relu)?
            {
                return gpu.run(&at_once);
            }
            let (scaled, share) = (gpu.uninit(DType::F32, shape)?, gpu.uninit(DType::F32, shape)?);
            let spans = [x.span, dy.span, scaled.span, share.span];
            gpu.run(&launch::map_norm_shares(storage, constants, spans)?)?;
            let spans = [x.span, scaled.span, share.span, dx];
            gpu.run(&launch::map_norm_backward(storage, constants, spans, through_relu)?)
        })
    }
}

/// The loops on the CPU, over one image (H, W, C).
pub(crate) struct MapKernel {
    /// Floats of a row of pixels.
    row: usize,
    constants: MapConstants,
}

impl ImageKernel for MapKernel {
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let power = Power::new(self.constants.beta);
        let (mut padded, mut p) = (self.padded(), vec![0.0; self.row]);
        vectorized!(for (h, y) in y.chunks_exact_mut(self.row).enumerate() {
            self.scales(x, h, &mut padded, &mut p);
            power.apply(&mut p);
            for ((y, x), p) in y.iter_mut().zip(self.row(x, h)).zip(&p) {
                *y = x * p;
            }
        });
    }

    fn backward(&self, x: &[f32], dy: &[f32], through_relu: bool, dx: &mut [f32]) {
        with_scratch(x.len(), |shares| self.gradient(x, dy, shares, dx)); // shares (H, W, C)
        if through_relu {
            zero_part_where_not_positive(x, dx);
        }
    }
}

impl MapKernel {
    /// `shares` is scratch memory for an image.
    fn gradient(&self, x: &[f32], dy: &[f32], shares: &mut [f32], dx: &mut [f32]) {
        let MapConstants { a, beta, .. } = self.constants;
        let (power, factor) = (Power::new(beta), 2.0 * a * beta);
        let mut padded = self.padded();
        let (mut s, mut p) = (vec![0.0; self.row], vec![0.0; self.row]);
        vectorized!({
            // `dx` becomes dy·s^−β, and `shares` the terms dy·x·s^(−β−1) of the sums in dx.
            for (h, dx) in dx.chunks_exact_mut(self.row).enumerate() {
                self.scales(x, h, &mut padded, &mut s);
                p.copy_from_slice(&s);
                power.apply(&mut p);
                let shares = &mut shares[h * self.row..][..self.row];
                let inputs = self.row(x, h).iter().zip(self.row(dy, h)).zip(s.iter().zip(&p));
                for ((dx, share), ((x, dy), (s, p))) in dx.iter_mut().zip(shares).zip(inputs) {
                    *dx = dy * p;
                    *share = *dx * x / s;
                }
            }
            for (h, dx) in dx.chunks_exact_mut(self.row).enumerate() {
                self.sums(shares, h, |share| share, &mut padded, &mut s);
                for ((dx, x), sum) in dx.iter_mut().zip(self.row(x, h)).zip(&s) {
                    *dx -= factor * x * sum;
                }
            }
        });
    }

    /// `s` of the pixels of row `h`.
    #[inline(always)]
    fn scales(&self, x: &[f32], h: usize, padded: &mut [f32], s: &mut [f32]) {
        let MapConstants { k, a, .. } = self.constants;
        self.sums(x, h, |x| x * x, padded, s);
        for s in s {
            *s = k + a * *s;
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
        let MapConstants { size: MapSize { height, channels, .. }, reach: [up, side], .. } =
            self.constants;
        let columns = &mut padded[side * channels..][..self.row];
        let first = h.saturating_sub(up);
        for (sum, &x) in columns.iter_mut().zip(self.row(x, first)) {
            *sum = f(x);
        }
        for i in first + 1..(h + up + 1).min(height) {
            for (sum, &x) in columns.iter_mut().zip(self.row(x, i)) {
                *sum += f(x);
            }
        }
        window_sums(2 * side + 1, channels, padded, sums);
    }

    #[inline(always)]
    fn row<'a>(&self, image: &'a [f32], h: usize) -> &'a [f32] {
        &image[h * self.row..][..self.row]
    }

    /// A row of pixels with as many zero pixels on both sides as windows reach.
    fn padded(&self) -> Vec<f32> {
        vec![0.0; self.row + 2 * self.constants.reach[1] * self.constants.size.channels]
    }
}
