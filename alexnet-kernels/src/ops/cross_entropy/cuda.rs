//! Cross-entropy on GPUs.

use candle_core::{DType, Result};

use super::launch;
use crate::cuda::gpu::Gpu;
use crate::cuda::launch::Storage;
use crate::op;

/// Logits (B, K) and labels (B) to the losses and what is right, (2, B) f32, and the gradient of
/// the mean loss (B, K), stored as the logits are.
pub(super) fn loss_and_grad([logits, labels]: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
    let (sizes, gpu) = (logits.shape().dims2()?, Gpu::of(logits.storage));
    let (labels, shape) = (gpu.read_as(DType::U32, &labels)?, logits.shape());
    let logits = gpu.read(&logits)?;
    let results = gpu.uninit(DType::F32, (2, sizes.0))?;
    let gradient = gpu.uninit(logits.storage, shape)?;
    let spans = [logits.span, labels, results.span];
    gpu.run(&launch::softmax(logits.storage, spans, Some(gradient.span), sizes)?)?;
    Ok(op::Outputs::from(results.output()).and(gradient.output()))
}

/// Logits and labels to the mean loss, one f32.
pub(super) fn mean_loss([logits, labels]: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
    let (sizes, gpu) = (logits.shape().dims2()?, Gpu::of(logits.storage));
    let (logits, labels) = (gpu.read(&logits)?, gpu.read_as(DType::U32, &labels)?);
    let losses = gpu.uninit(DType::F32, sizes.0)?;
    gpu.produce(Storage::F32, (), |mean| {
        let spans = [logits.span, labels, losses.span];
        gpu.run(&launch::softmax(logits.storage, spans, None, sizes)?)?;
        gpu.run(&launch::mean_loss([losses.span, mean], sizes.0)?)
    })
}
