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
use candle_core::{Module, Result, Tensor, bail};

#[cfg(feature = "cuda")]
use super::launch;
use super::launch::LrnConstants;
use super::norm::{self, ImageKernel, ResponseNorm};
use super::power::Power;
use super::window_sums::{Rows, window_sums};
use crate::cpu::simd::vectorized;
#[cfg(feature = "cuda")]
use crate::cuda::gpu::{binary, unary};
use crate::cuda::launch::MapSize;
#[cfg(feature = "cuda")]
use crate::op::{self, Input};
use crate::ops::fusion::InputGrad;

/// Local response normalization across channels.
///
/// ```
/// use alexnet_kernels::Lrn;
/// use candle_core::{Device, Module, Tensor};
///
/// let x = Tensor::new(&[2f32, 2.0, 0.0], &Device::Cpu)?.reshape((1, 3, 1, 1))?;
/// let y = Lrn::new(3).alpha(3.0).beta(1.0).k(8.0).forward(&x)?; // s = 16, 16, 12
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [0.125, 0.125, 0.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
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
    /// Equal parts of the channels, whose edges no window crosses; 1 for a network without towers.
    pub towers: usize,
    /// Whether a = α/n (the authors' program, Caffe, PyTorch) or a = α (the paper's text).
    pub alpha_over_n: bool,
}

impl Lrn {
    /// The paper's constants, without towers: n = 5, α = 10⁻⁴, β = 0.75, k = 2.
    pub const ALEXNET: Self =
        Self { n: 5, alpha: 1e-4, beta: 0.75, k: 2.0, towers: 1, alpha_over_n: true };

    /// A window of `n` channels; the other constants are [`ALEXNET`](Self::ALEXNET)'s until they
    /// are set.
    pub const fn new(n: usize) -> Self {
        Self { n, ..Self::ALEXNET }
    }

    /// Sets the weight of the window's squares.
    pub const fn alpha(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    /// Sets the exponent.
    pub const fn beta(self, beta: f32) -> Self {
        Self { beta, ..self }
    }

    /// Sets the offset.
    pub const fn k(self, k: f32) -> Self {
        Self { k, ..self }
    }

    /// Sets the number of towers.
    pub const fn towers(self, towers: usize) -> Self {
        Self { towers, ..self }
    }

    /// Sets whether α weighs the mean of the window's squares, or their sum.
    pub const fn alpha_over_n(self, alpha_over_n: bool) -> Self {
        Self { alpha_over_n, ..self }
    }

    /// The gradient with respect to the input, given `x` and `dy`, the gradient with respect to the
    /// output: all `(B, C, H, W)`. `None` with [`InputGrad::Skip`].
    ///
    /// # Errors
    ///
    /// Those of `forward`, and `dy` of another shape than `x`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor, input: InputGrad) -> Result<Option<Tensor>> {
        norm::backward(*self, x, dy, input)
    }

    /// The constants in the form that the kernels take, for pixels of `channels` channels.
    pub(crate) fn constants(&self, channels: usize) -> LrnConstants {
        let row = channels / self.towers;
        let a = if self.alpha_over_n { self.alpha / self.n as f32 } else { self.alpha };
        // A window that reaches over the row in both directions sees all of the row and no more.
        let radius = (self.n / 2).min(row);
        LrnConstants { row, radius, a, beta: self.beta, k: self.k }
    }
}

impl Module for Lrn {
    /// `x` `(B, C, H, W)` to `y` of the same shape.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        norm::forward(*self, x)
    }
}

impl ResponseNorm for Lrn {
    const NAME: &'static str = "lrn";

    type Kernel = RowKernel;

    fn check(&self, channels: usize) -> Result<()> {
        if self.n.is_multiple_of(2) {
            bail!("lrn: the window must be odd, got {}", self.n)
        }
        if self.towers == 0 || !channels.is_multiple_of(self.towers) {
            bail!("lrn: {channels} channels do not divide into {} towers", self.towers)
        }
        Ok(())
    }

    fn kernel(&self, size: MapSize) -> RowKernel {
        let constants = self.constants(size.channels);
        RowKernel { rows: Rows::new(constants.row, constants.radius), constants }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, size: MapSize, x: &Input<'_, CudaStorage>) -> Result<op::CudaOutputs> {
        let constants = self.constants(size.channels);
        unary(x, |storage, [x, y]| launch::lrn(storage, &constants, x, y))
    }

    #[cfg(feature = "cuda")]
    fn cuda_backward(
        &self,
        size: MapSize,
        inputs: [&Input<'_, CudaStorage>; 2],
        through_relu: bool,
    ) -> Result<op::CudaOutputs> {
        let constants = self.constants(size.channels);
        binary(inputs, |storage, spans| {
            launch::lrn_backward(storage, &constants, spans, through_relu)
        })
    }
}

/// The loops on the CPU. A row is the channels of one tower at one pixel: contiguous in memory, but
/// only three vectors for 48 channels, too short for fast loops. So we copy several rows into one
/// padded array and loop over that.
pub(crate) struct RowKernel {
    rows: Rows,
    constants: LrnConstants,
}

impl RowKernel {
    /// `s` of each window of the rows of `x`.
    #[inline(always)]
    fn scales(&self, x: &[f32], squares: &mut [f32], s: &mut [f32]) {
        let LrnConstants { row, radius, k, a, .. } = self.constants;
        for (x, squares) in x.chunks_exact(row).zip(self.rows.of_padded(squares)) {
            for (square, x) in squares.iter_mut().zip(x) {
                *square = x * x;
            }
        }
        window_sums(2 * radius + 1, 1, squares, s);
        for s in s {
            *s = k + a * *s;
        }
    }
}

impl ImageKernel for RowKernel {
    fn forward(&self, x: &[f32], y: &mut [f32]) {
        let (row, power) = (self.constants.row, Power::new(self.constants.beta));
        let (mut squares, mut p) = (self.rows.padded(), self.rows.plain());
        vectorized!({
            let together = self.rows.floats();
            for (x, y) in x.chunks(together).zip(y.chunks_mut(together)) {
                self.scales(x, &mut squares, &mut p);
                power.apply(&mut p);
                let rows = x.chunks_exact(row).zip(y.chunks_exact_mut(row));
                for ((x, y), p) in rows.zip(self.rows.of_plain(&mut p)) {
                    for ((y, x), p) in y.iter_mut().zip(x).zip(p) {
                        *y = x * *p;
                    }
                }
            }
        });
    }

    /// Computes `s` again, which costs less than reading it from memory would.
    fn backward(&self, x: &[f32], dy: &[f32], through_relu: bool, dx: &mut [f32]) {
        let least = if through_relu { 0.0 } else { f32::NEG_INFINITY };
        let LrnConstants { row, radius, a, beta, .. } = self.constants;
        let (power, factor) = (Power::new(beta), 2.0 * a * beta);
        let [mut squares, mut shares] = [(); 2].map(|()| self.rows.padded());
        let (mut s, mut p) = (self.rows.plain(), self.rows.plain()); // `s` holds 1/s, then sums
        vectorized!({
            let together = self.rows.floats();
            let chunks = x.chunks(together).zip(dy.chunks(together));
            for ((x, dy), dx) in chunks.zip(dx.chunks_mut(together)) {
                self.scales(x, &mut squares, &mut p);
                power.apply_with_inverse(&mut p, &mut s);
                // `p` becomes dy·s^−β, and `shares` the terms dy·x·s^(−β−1) of the sums in dx.
                let rows = x.chunks_exact(row).zip(dy.chunks_exact(row));
                let scales = self.rows.of_plain(&mut p).zip(self.rows.of_plain(&mut s));
                let scales = scales.zip(self.rows.of_padded(&mut shares));
                for ((x, dy), ((p, s), shares)) in rows.zip(scales) {
                    let scales = p.iter_mut().zip(s).zip(shares);
                    for ((x, dy), ((p, s), share)) in x.iter().zip(dy).zip(scales) {
                        *p *= dy;
                        *share = *p * x * *s;
                    }
                }
                window_sums(2 * radius + 1, 1, &shares, &mut s);
                let rows = x.chunks_exact(row).zip(dx.chunks_exact_mut(row));
                let scales = self.rows.of_plain(&mut p).zip(self.rows.of_plain(&mut s));
                for ((x, dx), (p, sums)) in rows.zip(scales) {
                    for ((dx, &x), (p, sum)) in dx.iter_mut().zip(x).zip(p.iter().zip(sums)) {
                        let gradient = *p - factor * x * *sum;
                        *dx = if x <= least { 0.0 } else { gradient };
                    }
                }
            }
        });
    }
}
