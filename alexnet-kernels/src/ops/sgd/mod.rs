//! The update rule of the paper: stochastic gradient descent with momentum and weight decay.
//!
//! ```text
//! v ← momentum · v − decay · rate · w − rate · g
//! w ← w + v                                        (the decay uses w before this line)
//! ```
//!
//! Shapes: the state is `(2, n)` f32, row 0 the weights, row 1 their velocity; `g` has n elements.
//! Units: `rate` per step; it is part of the velocity, so a new rate does not rescale the old one.
//! Errors: other shapes or dtypes, a gradient whose memory has gaps or shares the state's storage.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §5. Rate 0 changes nothing, not even the velocity,
//! as in the authors' program.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, InplaceOp2, InplaceOp3, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use crate::cpu::simd::vectorized;
use crate::layout::{check_values, values};

/// The constants of one update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub rate: f32,
    /// Part of the velocity that stays.
    pub momentum: f32,
    /// Weight decay; multiplied by `rate`.
    pub decay: f32,
}

impl Sgd {
    /// Updates weights and velocity in place, in one pass over memory.
    ///
    /// Weights and velocity are rows 0 and 1 of `state`, (2, n), so that tensors which are views
    /// of row 0 see the update. `gradient` has n elements in any shape; element i *in memory*
    /// belongs to weight i, so a channels-last gradient belongs to channels-last weights.
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and layouts that do not fit.
    pub fn update(&self, state: &Tensor, gradient: &Tensor) -> Result<()> {
        check(state, gradient)?;
        state.inplace_op2(&in_memory_order(gradient)?, self)
    }

    /// [`Sgd::update`], and the new weights into `copy`, n elements of bf16: what matmuls read in mixed precision. On
    /// GPUs only, in the same pass.
    ///
    /// # Errors
    ///
    /// Those of [`Sgd::update`]; another copy.
    pub fn update_with_copy(&self, state: &Tensor, gradient: &Tensor, copy: &Tensor) -> Result<()> {
        let n = check(state, gradient)?;
        if copy.dtype() != DType::BF16 || copy.elem_count() != n || !copy.is_contiguous() {
            let (dtype, shape) = (copy.dtype(), copy.dims());
            bail!("sgd: the copy must be {n} elements of bf16 in a row, got {dtype:?} {shape:?}")
        }
        state.inplace_op3(&in_memory_order(gradient)?, copy, &WithCopy(*self))
    }

    fn run(&self, weights: &mut [f32], velocity: &mut [f32], gradient: &[f32]) {
        let Self { rate, momentum, decay } = *self;
        let chunks = weights.par_chunks_mut(CHUNK).zip(velocity.par_chunks_mut(CHUNK));
        chunks.zip(gradient.par_chunks(CHUNK)).for_each(|((weights, velocity), gradient)| {
            vectorized(
                #[inline(always)]
                || {
                    let weights = weights.iter_mut().zip(velocity);
                    for ((w, v), g) in weights.zip(gradient) {
                        *v = momentum * *v - decay * rate * *w - rate * g;
                        *w += *v;
                    }
                },
            );
        });
    }
}

/// The number of weights.
fn check(state: &Tensor, gradient: &Tensor) -> Result<usize> {
    check_values("sgd", "the state", state)?;
    check_values("sgd", "the gradient", gradient)?;
    let &[2, n] = state.dims() else {
        bail!("sgd: the state must have shape (2, n), got {:?}", state.dims())
    };
    if !state.is_contiguous() {
        bail!("sgd: the state must be contiguous, got strides {:?}", state.stride())
    }
    if gradient.elem_count() != n {
        let shape = gradient.dims();
        bail!("sgd: a gradient of shape {shape:?} does not fit {n} weights")
    }
    Ok(n)
}

/// Weights a thread takes at a time.
const CHUNK: usize = 16 * 1024;

/// The elements of `x` as they lie in memory, as a row-major tensor of its dimensions from the
/// largest stride to the smallest. No copy; an error if there are gaps between them.
fn in_memory_order(x: &Tensor) -> Result<Tensor> {
    let mut order: Vec<usize> = (0..x.rank()).collect();
    order.sort_by_key(|&dim| std::cmp::Reverse(x.stride()[dim]));
    let sorted = x.permute(order)?;
    if !sorted.is_contiguous() {
        let (shape, strides) = (x.dims(), x.stride());
        bail!("sgd: the gradient's memory has gaps: shape {shape:?}, strides {strides:?}")
    }
    Ok(sorted)
}

impl InplaceOp2 for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        state: &mut CudaStorage,
        l: &Layout,
        gradient: &CudaStorage,
        gradient_l: &Layout,
    ) -> Result<()> {
        cuda::sgd(*self, (state, l), (gradient, gradient_l), None)
    }

    fn cpu_fwd(
        &self,
        state: &mut CpuStorage,
        l: &Layout,
        gradient: &CpuStorage,
        gradient_l: &Layout,
    ) -> Result<()> {
        let CpuStorage::F32(state) = state else {
            bail!("sgd: the state must be f32, got {:?}", state.dtype())
        };
        let Some((start, end)) = l.contiguous_offsets() else {
            return Err(candle_core::Error::RequiresContiguous { op: "sgd" }.bt());
        };
        let gradient = values::<f32>("sgd", gradient, gradient_l)?;
        if self.rate != 0.0 {
            let (weights, velocity) = state[start..end].split_at_mut(gradient.len());
            self.run(weights, velocity, gradient);
        }
        Ok(())
    }
}

/// `(state, gradient, copy)`: the update, and the new weights as bf16.
struct WithCopy(Sgd);

impl InplaceOp3 for WithCopy {
    fn name(&self) -> &'static str {
        "sgd"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        state: &mut CudaStorage,
        l: &Layout,
        gradient: &CudaStorage,
        gradient_l: &Layout,
        copy: &CudaStorage,
        copy_l: &Layout,
    ) -> Result<()> {
        let copy = Some((copy, copy_l));
        cuda::sgd(self.0, (state, l), (gradient, gradient_l), copy)
    }

    fn cpu_fwd(
        &self,
        _: &mut CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<()> {
        bail!("sgd: {:?} with a bf16 copy runs on GPUs only", self.0)
    }
}
