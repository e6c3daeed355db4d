//! LRN and the max-pooling after it in one pass over memory.
//!
//! ```text
//!  y = max-pool(lrn(x))
//! dx = lrn's gradient of max-pool's gradient of dy
//! ```
//!
//! A GPU has kernels for the constants of AlexNet: windows of 5 channels with β = ¾, pooled 3 by 3
//! pixels 2 apart. There LRN's output is never in memory, and its ties are those of its f32 values
//! before they are rounded. On the CPU, and with other constants, both operations run one after the
//! other.
//!
//! Shapes: `x`, `dx` are `(B, C, H, W)`; `y`, `dy` and the argmax are `(B, C, H', W')`; f32, the
//! argmax as [`MaxPool2d`] gives it.
//! Units: those of [`Lrn`] and [`MaxPool2d`].
//! Errors: those of both.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.5: pooling layers follow LRN layers.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;
pub(crate) mod rest;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, DType, Module, Result, Tensor};

use self::rest::Rest;

use crate::check::{check_shape, dims};
use crate::cuda::launch::Storage;
use crate::layout::{nchw, nhwc};
use crate::op::{self, Apply, Op};
use crate::ops::fusion::{Epilogue, InputGrad};
use crate::ops::max_pool::launch::PoolSize;
use crate::ops::max_pool::{self, MaxPool2d, Pooled};
use crate::ops::response_norm::lrn::Lrn;
use crate::ops::response_norm::norm;

/// LRN, then max-pooling.
///
/// ```
/// use alexnet_kernels::{Epilogue, Lrn, LrnPool, MaxPool2d};
/// use candle_core::{Device, Tensor};
///
/// let x = Tensor::new(&[2f32, 4.0], &Device::Cpu)?.reshape((1, 1, 1, 2))?;
/// let lrn = Lrn::new(1).alpha(1.0).beta(1.0).k(0.0); // x / x²
/// let y = LrnPool { lrn, pool: MaxPool2d::new(1, 1) }.forward_fused(&x, Epilogue::None)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [0.5, 0.25]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrnPool {
    /// The first operation.
    pub lrn: Lrn,
    /// The second one.
    pub pool: MaxPool2d,
}

impl LrnPool {
    /// `x` `(B, C, H, W)` to `y` `(B, C, H', W')` with its epilogue, by both operations in turn,
    /// which candle can differentiate.
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn forward_fused(&self, x: &Tensor, epilogue: Epilogue) -> Result<Tensor> {
        self.pool.forward_fused(&self.lrn_of_input().forward(x)?, epilogue)
    }

    /// Whether a GPU computes both in one pass over memory, for maps of so many channels of this
    /// dtype. Else LRN's output, and its gradient, are in memory meanwhile.
    ///
    /// # Errors
    ///
    /// A dtype that is neither f32 nor bf16.
    pub fn is_one_pass_on_gpu(&self, channels: usize, dtype: DType) -> Result<bool> {
        let (lrn, MaxPool2d { kernel, stride, towers, .. }) = (self.lrn_of_input(), self.pool);
        let (batch, input, output) = (1, (kernel, kernel), (1, 1)); // any, there or not alike
        let size = PoolSize { batch, input, output, channels, kernel, stride, towers };
        Ok(launch::has_kernel(Storage::of(dtype)?, &lrn.constants(channels), &size))
    }

    /// LRN over maps that lie as the input's: where towers lie apart, each has its own.
    fn lrn_of_input(&self) -> Lrn {
        if self.pool.towers.input_apart { self.lrn.towers(1) } else { self.lrn }
    }

    /// The same with the argmax, which [`backward`](Self::backward) needs.
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn forward_with_argmax(&self, x: &Tensor, epilogue: Epilogue) -> Result<Pooled> {
        self.forward_of(x, epilogue, None)
    }

    /// The same of `x` after the rest of a convolution.
    ///
    /// # Errors
    ///
    /// Those of both; a bias that does not fit.
    pub fn forward_after(&self, x: &Tensor, rest: &Rest, epilogue: Epilogue) -> Result<Pooled> {
        self.forward_of(x, epilogue, Some(rest.clone()))
    }

    fn forward_of(&self, x: &Tensor, epilogue: Epilogue, rest: Option<Rest>) -> Result<Pooled> {
        let lrn = norm::Forward::new(self.lrn_of_input(), x)?;
        let pool = max_pool::ForwardArgmax::new(&self.pool, x, epilogue, false)?;
        rest.iter().try_for_each(|rest| rest.check(&pool.size))?;
        let (output, argmax) = Forward { lrn, pool, rest }.run_two([&nhwc(x)?])?;
        Ok(Pooled { output: nchw(&output)?, argmax: nchw(&argmax)? })
    }

    /// The gradient with respect to the input, given `x` `(B, C, H, W)`, the argmax and `dy`, the
    /// gradient with respect to `y`, both `(B, C, H', W')`. `None` with [`InputGrad::Skip`].
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn backward(
        &self,
        x: &Tensor,
        argmax: &Tensor,
        dy: &Tensor,
        input: InputGrad,
    ) -> Result<Option<Tensor>> {
        if input == InputGrad::Skip {
            return Ok(None);
        }
        let op = self.backward_of(x, argmax, dy, input, None)?;
        nchw(&op.run_one([&nhwc(x)?, &nhwc(argmax)?, &nhwc(dy)?])?).map(Some)
    }

    /// The gradients with respect to `x`, which is before the rest of a convolution, and to the
    /// bias, whose convolution's output `x` is. With [`InputGrad::ThroughRelu`] they are those
    /// before the ReLU of that rest.
    ///
    /// # Errors
    ///
    /// Those of both; a bias that does not fit.
    pub fn backward_after(
        &self,
        x: &Tensor,
        rest: &Rest,
        argmax: &Tensor,
        dy: &Tensor,
        input: InputGrad,
    ) -> Result<[Tensor; 2]> {
        let op = self.backward_of(x, argmax, dy, input, Some(rest.clone()))?;
        let (dx, db) = op.run_two([&nhwc(x)?, &nhwc(argmax)?, &nhwc(dy)?])?;
        Ok([nchw(&dx)?, db])
    }

    fn backward_of(
        &self,
        x: &Tensor,
        argmax: &Tensor,
        dy: &Tensor,
        input: InputGrad,
        rest: Option<Rest>,
    ) -> Result<Backward> {
        let [_, _, height, width] = dims("lrn-pool", "the input", x)?;
        let pool = max_pool::Backward::new(&self.pool, argmax, dy, (height, width))?;
        let (batch, height, width, channels) = pool.size.input_shape().dims4()?;
        check_shape("lrn-pool", "the input", x, &[batch, channels, height, width])?;
        rest.iter().try_for_each(|rest| rest.check(&pool.size))?;
        let lrn = norm::Backward::new(self.lrn_of_input(), x, input)?;
        Ok(Backward { pool, lrn, rest })
    }
}

/// `x` (B, H, W, C) → `y` and `argmax`, both (B, H', W', C).
struct Forward {
    lrn: norm::Forward<Lrn>,
    pool: max_pool::ForwardArgmax,
    rest: Option<Rest>,
}

impl Op<1> for Forward {
    const NAME: &'static str = "lrn-pool";

    fn cpu(&self, [x]: op::CpuInputs<'_, 1>) -> Result<op::CpuOutputs> {
        let both = |x: op::Input<'_, CpuStorage>| {
            self.lrn.cpu([x])?.pass_to(Self::NAME, |y| self.pool.cpu([y]))
        };
        match &self.rest {
            None => both(x),
            Some(rest) => rest.cpu(&self.pool.size, &x)?.pass_to(Self::NAME, both),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: op::CudaInputs<'_, 1>) -> Result<op::CudaOutputs> {
        if let Some(outputs) = cuda::lrn_pool(self, &x)? {
            return Ok(outputs);
        }
        let both = |x: op::Input<'_, CudaStorage>| {
            self.lrn.cuda([x])?.pass_to(Self::NAME, |y| self.pool.cuda([y]))
        };
        match &self.rest {
            None => both(x),
            Some(rest) => rest.cuda(&self.pool.size, &x)?.pass_to(Self::NAME, both),
        }
    }
}

/// `(x, argmax, dy) → dx`, and after the rest of a convolution the gradient of its bias; `x` and
/// `dx` (B, H, W, C), the others (B, H', W', C).
struct Backward {
    pool: max_pool::Backward,
    lrn: norm::Backward<Lrn>,
    rest: Option<Rest>,
}

impl Op<3> for Backward {
    const NAME: &'static str = "lrn-pool-backward";

    fn cpu(&self, [x, argmax, dy]: op::CpuInputs<'_, 3>) -> Result<op::CpuOutputs> {
        let size = &self.pool.size;
        let both = |x: op::Input<'_, CpuStorage>| {
            self.pool.cpu([argmax, dy])?.pass_to(Self::NAME, |dy| self.lrn.cpu([x, dy]))
        };
        match &self.rest {
            None => both(x),
            Some(rest) => {
                let dx = rest.cpu(size, &x)?.pass_to(Self::NAME, both)?;
                dx.with_second(Self::NAME, |dx| rest.gradient_cpu(size, &dx))
            }
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x, argmax, dy]: op::CudaInputs<'_, 3>) -> Result<op::CudaOutputs> {
        if let Some(outputs) = cuda::lrn_pool_backward(self, [&x, &argmax, &dy])? {
            return Ok(outputs);
        }
        let size = &self.pool.size;
        let both = |x: op::Input<'_, CudaStorage>| {
            self.pool.cuda([argmax, dy])?.pass_to(Self::NAME, |dy| self.lrn.cuda([x, dy]))
        };
        match &self.rest {
            None => both(x),
            Some(rest) => {
                let dx = rest.cuda(size, &x)?.pass_to(Self::NAME, both)?;
                dx.with_second(Self::NAME, |dx| rest.gradient_cuda(size, &dx))
            }
        }
    }
}
