//! Dropout whose mask is a pure function of seed, step, layer and element.
//!
//! ```text
//!              training          test
//! AtTest       y = m·x           y = keep·x
//! AtTraining   y = m·x / keep    y = x
//! dx is the same expression of dy
//!
//! m[e] = 1 if uniform(word e mod 4 of philox(key, counter)) < keep, else 0
//! key = seed, counter = (e div 4, layer, step), halves of 64-bit numbers low first
//! ```
//!
//! Element `e` is the position in the logical row-major order of the tensor, whatever its memory:
//! `b·I + i` for `(B, I)`, `((b·C + c)·H + h)·W + w` for `(B, C, H, W)`. Where the tensor is a [`Part`] of a layer,
//! that is its position in the whole layer's.
//!
//! Shapes: any of at most 2³⁴ elements, all equal; f32.
//! Units: `keep` is a probability.
//! Errors: dtype other than f32, no elements, `keep` outside (0, 1], too many elements.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §4.2 (`AtTest`); Philox: see `philox.rs`.
//! Deviations: no mask is stored; the backward pass computes it again.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
mod part;
pub(crate) mod reference;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

pub use self::part::{Part, Rows};
use crate::cpu::elementwise::map2;
use crate::cpu::simd::vectorized;
use crate::layout::{
    channels_last, check_shape, check_values, in_logical_order, in_memory_order, produce, values,
};
use crate::random::philox::{halves, philox4x32, uniform};

/// How many units stay, and which pass makes up for the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Probability that a unit stays, in (0, 1].
    pub keep: f32,
    /// Where the expected value is kept equal between training and test.
    pub scale: DropoutScale,
}

/// The pass that scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropoutScale {
    /// The mask alone in training, `keep` times everything at test: the paper.
    AtTest,
    /// The mask over `keep` in training, nothing at test: PyTorch and most programs since.
    AtTraining,
}

/// What a pass through the layer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropoutMode {
    /// Units are dropped; the key says which.
    Train(DropoutKey),
    /// All units stay.
    Test,
}

/// What a mask depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DropoutKey {
    /// Seed of the run.
    pub seed: u64,
    /// Update the mask is drawn for.
    pub step: u64,
    /// Number of the layer; two layers with one number would drop the same units.
    pub layer: u32,
}

impl Dropout {
    /// `x` to `y` of the same shape.
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and probabilities that have no meaning.
    pub fn forward(&self, x: &Tensor, mode: DropoutMode) -> Result<Tensor> {
        self.run_on(x, mode, None)
    }

    /// The same for a part of a layer: `y` is that part of what [`forward`](Self::forward) gives for the whole.
    ///
    /// # Errors
    ///
    /// Those of [`Dropout::forward`]; a part that leaves the layer.
    pub fn forward_part(&self, x: &Tensor, mode: DropoutMode, part: Part) -> Result<Tensor> {
        self.run_on(x, mode, Some(part))
    }

    fn run_on(&self, x: &Tensor, mode: DropoutMode, part: Option<Part>) -> Result<Tensor> {
        check_values("dropout", "the input", x)?;
        self.check()?;
        let rows = Rows::new(x.dims(), part)?;
        if x.device().is_cuda() {
            // The kernel finds each element's number itself.
            return in_logical_order(&in_memory_order(x)?.apply_op1(Masked(*self, mode, rows))?);
        }
        // Row-major, so that elements in memory are in the order in which the mask numbers them.
        let y = x.contiguous()?.apply_op1(Masked(*self, mode, rows))?;
        if y.rank() == 4 { channels_last(&y) } else { Ok(y) }
    }

    /// The gradient by `x`, given that by `y`; the mode is the one of the forward pass.
    ///
    /// # Errors
    ///
    /// Those of [`Dropout::forward`].
    pub fn backward(&self, dy: &Tensor, mode: DropoutMode) -> Result<Tensor> {
        self.forward(dy, mode) // the layer is a diagonal matrix
    }

    /// The gradient by `x`, given that by `y`, of [`forward_part`](Self::forward_part).
    ///
    /// # Errors
    ///
    /// Those of [`Dropout::forward_part`].
    pub fn backward_part(&self, dy: &Tensor, mode: DropoutMode, part: Part) -> Result<Tensor> {
        self.forward_part(dy, mode, part)
    }

    /// The gradient by what `x` was before it was rectified, given the output `y` and the gradient by it: with
    /// `y` at hand the mask need not be drawn again, for `y > 0` exactly where `x > 0` and the unit stayed.
    ///
    /// # Errors
    ///
    /// Those of [`Dropout::forward`]; shapes that differ.
    pub fn backward_rectified(&self, y: &Tensor, dy: &Tensor, mode: DropoutMode) -> Result<Tensor> {
        check_values("dropout", "the output", y)?;
        check_shape("dropout", "the gradient", dy, y.dims())?;
        self.check()?;
        let (y, dy) = (in_memory_order(y)?, in_memory_order(dy)?);
        in_logical_order(&y.apply_op2_no_bwd(&dy, &Rectified(self.scale(mode)))?)
    }

    fn check(&self) -> Result<()> {
        if !(self.keep > 0.0 && self.keep <= 1.0) {
            bail!("dropout: keep must be above 0 and at most 1, got {}", self.keep)
        }
        Ok(())
    }

    /// The factor of units that stay.
    fn scale(&self, mode: DropoutMode) -> f32 {
        match (self.scale, mode) {
            (DropoutScale::AtTest, DropoutMode::Train(_))
            | (DropoutScale::AtTraining, DropoutMode::Test) => 1.0,
            (DropoutScale::AtTest, DropoutMode::Test) => self.keep,
            (DropoutScale::AtTraining, DropoutMode::Train(_)) => 1.0 / self.keep,
        }
    }

    fn run(&self, mode: DropoutMode, rows: Rows, x: &[f32], y: &mut [f32]) {
        let scale = self.scale(mode);
        match mode {
            DropoutMode::Train(key) => {
                let images = y.par_chunks_mut(rows.row).zip(x.par_chunks(rows.row)).enumerate();
                images.for_each(|(image, (y, x))| {
                    self.masked(key, scale, image * rows.whole + rows.first, x, y);
                });
            }
            DropoutMode::Test => crate::cpu::elementwise::map1(
                x,
                y,
                #[inline(always)]
                |x| scale * x,
            ),
        }
    }

    /// Elements whose numbers are `first` and those behind it.
    fn masked(&self, key: DropoutKey, scale: f32, first: usize, x: &[f32], y: &mut [f32]) {
        let [step_low, step_high] = halves(key.step);
        let words = |number: usize| {
            philox4x32(halves(key.seed), [(number / 4) as u32, key.layer, step_low, step_high])
        };
        let some = |words: &[u32], x: &[f32], y: &mut [f32]| {
            for ((y, x), word) in y.iter_mut().zip(x).zip(words) {
                *y = if uniform(*word) < self.keep { scale * x } else { 0.0 };
            }
        };
        // Up to the first element that begins a counter of its own.
        let ahead = (first.next_multiple_of(4) - first).min(x.len());
        let ((x_ahead, x), (y_ahead, y)) = (x.split_at(ahead), y.split_at_mut(ahead));
        some(&words(first)[first % 4..], x_ahead, y_ahead);
        let chunks = y.par_chunks_mut(4 * BLOCKS).zip(x.par_chunks(4 * BLOCKS)).enumerate();
        chunks.for_each(|(chunk, (y, x))| {
            vectorized(
                #[inline(always)]
                || {
                    let first = first + ahead + 4 * chunk * BLOCKS;
                    for (block, (y, x)) in y.chunks_mut(4).zip(x.chunks(4)).enumerate() {
                        some(&words(first + 4 * block), x, y);
                    }
                },
            );
        });
    }
}

/// Counters a thread takes at a time; each gives four elements.
const BLOCKS: usize = 1024;

/// `x → y`, and `dy → dx`.
struct Masked(Dropout, DropoutMode, Rows);

impl CustomOp1 for Masked {
    fn name(&self) -> &'static str {
        "dropout"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        let Self(dropout, mode, rows) = self;
        let scale = dropout.scale(*mode);
        let y = match *mode {
            DropoutMode::Test => cuda::scaled(x, l, scale)?,
            DropoutMode::Train(key) => {
                let maps = match *l.shape().dims() {
                    [_, h, w, c] => Some([h * w, c]),
                    _ => None,
                };
                cuda::dropout(x, l, (maps, *rows), key, (dropout.keep, scale))?
            }
        };
        Ok((y, l.shape().clone()))
    }

    fn cpu_fwd(&self, x: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values::<f32>("dropout", x, l)?;
        produce(l.shape(), |y| {
            self.0.run(self.1, self.2, x, y);
            Ok(())
        })
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        dy.contiguous()?.apply_op1_no_bwd(&Self(self.0, self.1, self.2)).map(Some)
    }
}

/// `(y, dy) → dx` behind a rectifier; the factor of units that stay.
struct Rectified(f32);

impl CustomOp2 for Rectified {
    fn name(&self) -> &'static str {
        "dropout-rectified-backward"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        y: &CudaStorage,
        l: &Layout,
        dy: &CudaStorage,
        dy_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        Ok((crate::ops::relu::cuda::relu_backward((y, l), (dy, dy_l), self.0)?, l.shape().clone()))
    }

    fn cpu_fwd(
        &self,
        y: &CpuStorage,
        l: &Layout,
        dy: &CpuStorage,
        dy_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (y, dy) = (values::<f32>("dropout", y, l)?, values::<f32>("dropout", dy, dy_l)?);
        let scale = self.0;
        produce(l.shape(), |dx| {
            map2(
                y,
                dy,
                dx,
                #[inline(always)]
                |y, dy| if y > 0.0 { scale * dy } else { 0.0 },
            );
            Ok(())
        })
    }
}
