//! The bias of convolutions and dense layers. On the CPU those add it themselves; on GPUs adding
//! it, and its gradient, are kernels of their own.

#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod launch;

use candle_core::{DType, Result, Tensor};

/// `bias`, or zeros for the O outputs of `weight` `(O, …)`.
pub(crate) fn bias_or_zeros(bias: Option<&Tensor>, weight: &Tensor) -> Result<Tensor> {
    match bias {
        Some(bias) => Ok(bias.clone()),
        None => Tensor::zeros(weight.dim(0)?, DType::F32, weight.device()),
    }
}
