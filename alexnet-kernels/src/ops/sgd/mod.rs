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
pub(crate) mod rule;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, InplaceOp3, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use self::rule::Sgd;
use crate::check::check_values;
use crate::cpu::simd::vectorized;
use crate::layout::as_in_memory;
use crate::op::Input;

impl Sgd {
    /// Updates weights and velocity in place, in one pass over memory.
    ///
    /// Weights and velocity are rows 0 and 1 of `state`, `(2, n)`; layers whose weights are views
    /// of row 0 see the update. `gradient` has n elements in any shape; element i *in memory*
    /// belongs to weight i, so a channels-last gradient belongs to channels-last weights.
    ///
    /// ```
    /// use alexnet_kernels::Sgd;
    /// use candle_core::{Device, Tensor};
    ///
    /// let state = Tensor::new(&[[1f32], [0.0]], &Device::Cpu)?; // one weight, with velocity 0
    /// let sgd = Sgd { rate: 0.5, momentum: 0.5, decay: 0.0 };
    /// for _ in 0..2 {
    ///     sgd.update(&state, &Tensor::new(&[1f32], &Device::Cpu)?)?;
    /// }
    /// assert_eq!(state.to_vec2::<f32>()?, [[-0.25], [-0.75]]);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and layouts that do not fit.
    pub fn update(&self, state: &Tensor, gradient: &Tensor) -> Result<()> {
        check(state, gradient)?;
        let gradient = as_in_memory(gradient)?;
        state.inplace_op3(&gradient, &gradient, &Update { rule: *self, copy: false })
    }

    /// [`Sgd::update`], which also writes the new weights to `copy`, n elements of bf16: what
    /// matmuls read in mixed precision. On GPUs only.
    ///
    /// # Errors
    ///
    /// Those of [`Sgd::update`]; a copy of another dtype or size.
    pub fn update_with_copy(&self, state: &Tensor, gradient: &Tensor, copy: &Tensor) -> Result<()> {
        let n = check(state, gradient)?;
        if copy.dtype() != DType::BF16 || copy.elem_count() != n || !copy.is_contiguous() {
            let (dtype, shape) = (copy.dtype(), copy.dims());
            bail!("sgd: the copy must be {n} elements of bf16 in a row, got {dtype:?} {shape:?}")
        }
        state.inplace_op3(&as_in_memory(gradient)?, copy, &Update { rule: *self, copy: true })
    }

    fn run(&self, weights: &mut [f32], velocity: &mut [f32], gradient: &[f32]) {
        let Self { rate, momentum, decay } = *self;
        let chunks = weights.par_chunks_mut(CHUNK).zip(velocity.par_chunks_mut(CHUNK));
        chunks.zip(gradient.par_chunks(CHUNK)).for_each(|((weights, velocity), gradient)| {
            vectorized!({
                let weights = weights.iter_mut().zip(velocity);
                for ((w, v), g) in weights.zip(gradient) {
                    *v = momentum * *v - decay * rate * *w - rate * g;
                    *w += *v;
                }
            });
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

/// Weights that a thread updates at a time.
const CHUNK: usize = 16 * 1024;

const OP: &str = "sgd";

/// Updates `state` by `gradient`; with `copy` the third operand gets the new weights, else it is
/// not used.
struct Update {
    rule: Sgd,
    copy: bool,
}

impl InplaceOp3 for Update {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        state: &mut CpuStorage,
        state_l: &Layout,
        gradient: &CpuStorage,
        gradient_l: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<()> {
        if self.copy {
            bail!("sgd: {:?} with a bf16 copy runs on GPUs only", self.rule)
        }
        let gradient = Input { op: OP, storage: gradient, layout: gradient_l }.values::<f32>()?;
        let (start, end) = Input { op: OP, storage: &*state, layout: state_l }.dense_range()?;
        let CpuStorage::F32(state) = state else {
            bail!("sgd: the state must be f32, got {:?}", state.dtype())
        };
        if self.rule.rate != 0.0 {
            let (weights, velocity) = state[start..end].split_at_mut(gradient.len());
            self.rule.run(weights, velocity, gradient);
        }
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        state: &mut CudaStorage,
        state_l: &Layout,
        gradient: &CudaStorage,
        gradient_l: &Layout,
        copy: &CudaStorage,
        copy_l: &Layout,
    ) -> Result<()> {
        let state = Input { op: OP, storage: &*state, layout: state_l };
        let gradient = Input { op: OP, storage: gradient, layout: gradient_l };
        let copy = self.copy.then_some(Input { op: OP, storage: copy, layout: copy_l });
        cuda::sgd(self.rule, &state, &gradient, copy.as_ref())
    }
}
