//! Dropout whose mask is a pure function of seed, step, layer and element.
//!
//! ```text
//!              training          test
//! AtTest       y = m·x           y = keep·x
//! AtTraining   y = m·x / keep    y = x
//! dx is the same function of dy
//!
//! m[e] = 1 if uniform(word e mod 4 of philox(key, counter)) < keep, else 0
//! key = seed, counter = (e div 4, layer, step), halves of 64-bit numbers low first
//! ```
//!
//! The number `e` of an element is its position in the row-major order of the tensor's dimensions,
//! whatever its strides: `b·I + i` for `(B, I)`, `((b·C + c)·H + h)·W + w` for `(B, C, H, W)`.
//! Where the tensor is a [`DropoutSlice`] of a layer, it is the position in the whole layer.
//!
//! Shapes: any of at most 2³⁴ elements, all equal; f32.
//! Units: `keep` is a probability.
//! Errors: dtype other than f32, no elements, `keep` outside (0, 1], too many elements.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §4.2 (`AtTest`); Philox: see `random/philox.rs`.
//! Deviations: no mask is stored; the backward pass computes it again.

pub(crate) mod key;
pub(crate) mod launch;
pub(crate) mod reference;
pub(crate) mod slice;

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use self::key::DropoutKey;
use self::slice::{DropoutSlice, Rows};
use crate::check::{check_shape, check_values};
use crate::cpu::elementwise::map1;
use crate::cpu::simd::vectorized;
#[cfg(feature = "cuda")]
use crate::cuda::gpu::unary;
use crate::layout::{channels_last, in_logical_order, in_memory_order};
use crate::op::{self, Apply, Op, produce};
use crate::ops::activation::masked;
use crate::ops::fusion::InputGrad;
use crate::random::philox::{halves, philox4x32, uniform};

/// Dropout: how many units stay, and where their scale is corrected for those that do not.
///
/// ```
/// use alexnet_kernels::{Dropout, DropoutKey, DropoutMode, DropoutScale};
/// use candle_core::{DType, Device, Tensor};
///
/// let (x, dropout) = (Tensor::ones(4, DType::F32, &Device::Cpu)?, Dropout::new(0.5));
/// let key = DropoutKey { seed: 1, step: 0, layer: 0 };
/// let y = dropout.forward(&x, DropoutMode::Train(key))?; // nothing is scaled in training
/// assert!(y.to_vec1::<f32>()?.iter().all(|y| [0.0, 1.0].contains(y)));
/// assert_eq!(dropout.forward(&x, DropoutMode::Test)?.to_vec1::<f32>()?, [0.5; 4]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Probability that a unit stays, in (0, 1].
    pub keep: f32,
    /// Which pass scales, so that training and test have the same expected values.
    pub scale: DropoutScale,
    /// Which units of a layer the tensors hold; `None` where they hold all.
    pub slice: Option<DropoutSlice>,
}

/// The pass that scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropoutScale {
    /// Training applies the mask only, test multiplies by `keep`: as in the paper.
    AtTest,
    /// Training applies the mask and divides by `keep`, test does nothing: as in PyTorch and most
    /// programs since.
    AtTraining,
}

/// Whether a pass is for training or for test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropoutMode {
    /// Units are dropped; the key determines which.
    Train(DropoutKey),
    /// All units stay.
    Test,
}

impl Dropout {
    /// Dropout as in the paper: units stay with probability `keep`, and everything is scaled at
    /// test.
    pub const fn new(keep: f32) -> Self {
        Self { keep, scale: DropoutScale::AtTest, slice: None }
    }

    /// Sets the pass that scales.
    pub const fn scale(self, scale: DropoutScale) -> Self {
        Self { scale, ..self }
    }

    /// Sets the slice of a layer that the tensors hold; they get that slice of the layer's mask.
    pub const fn of_slice(self, slice: DropoutSlice) -> Self {
        Self { slice: Some(slice), ..self }
    }

    /// `x` to `y` of the same shape.
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and probabilities that have no meaning; a slice
    /// that leaves the layer.
    pub fn forward(&self, x: &Tensor, mode: DropoutMode) -> Result<Tensor> {
        check_values("dropout", "the input", x)?;
        self.check()?;
        let op = Masked { dropout: *self, mode, rows: Rows::new(x.dims(), self.slice)? };
        if x.device().is_cuda() {
            // The kernel computes the number of each element from its position.
            return in_logical_order(&op.apply([&in_memory_order(x)?])?);
        }
        // Row-major, so that the order of elements in memory is that of their numbers.
        let y = op.apply([&x.contiguous()?])?;
        if y.rank() == 4 { channels_last(&y) } else { Ok(y) }
    }

    /// The gradient with respect to the input, given the output `y` and `dy`, the gradient with
    /// respect to `y`; `mode` is that of the forward pass. `None` with [`InputGrad::Skip`].
    ///
    /// [`InputGrad::ThroughRelu`] needs no mask, because `y > 0` exactly where `x > 0` and the unit
    /// stayed.
    ///
    /// # Errors
    ///
    /// Those of [`Dropout::forward`]; shapes that differ.
    pub fn backward(
        &self,
        y: &Tensor,
        dy: &Tensor,
        mode: DropoutMode,
        input: InputGrad,
    ) -> Result<Option<Tensor>> {
        check_values("dropout", "the output", y)?;
        check_shape("dropout", "the gradient", dy, y.dims())?;
        self.check()?;
        match input {
            InputGrad::Skip => Ok(None),
            InputGrad::Plain => self.forward(dy, mode).map(Some), // the layer is diagonal
            InputGrad::ThroughRelu => {
                let (y, dy) = (in_memory_order(y)?, in_memory_order(dy)?);
                in_logical_order(&masked(&y, &dy, self.factor(mode))?).map(Some)
            }
        }
    }

    fn check(&self) -> Result<()> {
        if !(self.keep > 0.0 && self.keep <= 1.0) {
            bail!("dropout: keep must be above 0 and at most 1, got {}", self.keep)
        }
        Ok(())
    }

    /// The factor of units that stay.
    fn factor(&self, mode: DropoutMode) -> f32 {
        match (self.scale, mode) {
            (DropoutScale::AtTest, DropoutMode::Train(_))
            | (DropoutScale::AtTraining, DropoutMode::Test) => 1.0,
            (DropoutScale::AtTest, DropoutMode::Test) => self.keep,
            (DropoutScale::AtTraining, DropoutMode::Train(_)) => 1.0 / self.keep,
        }
    }

    /// `y` for elements whose numbers are `first` and those after it.
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
        // Elements before the first one whose number begins a counter.
        let ahead = (first.next_multiple_of(4) - first).min(x.len());
        let ((x_ahead, x), (y_ahead, y)) = (x.split_at(ahead), y.split_at_mut(ahead));
        some(&words(first)[first % 4..], x_ahead, y_ahead);
        let chunks = y.par_chunks_mut(4 * BLOCKS).zip(x.par_chunks(4 * BLOCKS)).enumerate();
        chunks.for_each(|(chunk, (y, x))| {
            vectorized!({
                let first = first + ahead + 4 * chunk * BLOCKS;
                for (block, (y, x)) in y.chunks_mut(4).zip(x.chunks(4)).enumerate() {
                    some(&words(first + 4 * block), x, y);
                }
            });
        });
    }
}

/// Counters that a thread takes at a time; each gives four elements.
const BLOCKS: usize = 1024;

/// `x → y`, and `dy → dx`.
struct Masked {
    dropout: Dropout,
    mode: DropoutMode,
    rows: Rows,
}

impl Op<1> for Masked {
    const NAME: &'static str = "dropout";

    fn cpu(&self, [x]: op::CpuInputs<'_, 1>) -> Result<op::CpuOutputs> {
        let (shape, x, factor) = (x.shape(), x.values()?, self.dropout.factor(self.mode));
        let Rows { row, first, whole } = self.rows;
        produce(shape, |y| {
            match self.mode {
                DropoutMode::Train(key) => {
                    let images = y.par_chunks_mut(row).zip(x.par_chunks(row)).enumerate();
                    images.for_each(|(image, (y, x))| {
                        self.dropout.masked(key, factor, image * whole + first, x, y);
                    });
                }
                DropoutMode::Test => map1(
                    x,
                    y,
                    #[inline(always)]
                    |x| factor * x,
                ),
            }
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: op::CudaInputs<'_, 1>) -> Result<op::CudaOutputs> {
        let factor = self.dropout.factor(self.mode);
        match self.mode {
            DropoutMode::Test => unary(&x, |storage, spans| launch::scaled(storage, spans, factor)),
            DropoutMode::Train(key) => {
                let maps = match *x.shape().dims() {
                    [_, h, w, c] => Some([h * w, c]),
                    _ => None,
                };
                let constants = (self.dropout.keep, factor);
                unary(&x, |storage, spans| {
                    launch::dropout(storage, spans, (maps, self.rows), key, constants)
                })
            }
        }
    }

    fn gradients(&self, _: [&Tensor; 1], _: &Tensor, dy: &Tensor) -> Result<op::Grads<1>> {
        let Self { dropout, mode, rows } = *self;
        Self { dropout, mode, rows }.run_one([dy]).map(|dx| [Some(dx)])
    }
}
