//! Cross-entropy on GPUs.

use candle_core::{CudaStorage, Result, Shape};

use super::launch;
use crate::cuda::gpu::Gpu;
use crate::cuda::launch::Storage;
use crate::op::{Input, Outputs};

/// Logits (B, K) and labels (B) to losses (B), f32, and the gradient of the mean loss (B, K),
/// stored as the logits are.
pub(super) fn loss_and_grad(
    logits: &Input<'_, CudaStorage>,
    labels: &Input<'_, CudaStorage>,
) -> Result<Outputs<CudaStorage>> {
    let (batch, classes) = logits.dims2()?;
    let (gpu, shape) = (Gpu::of(logits.storage), logits.shape().clone());
    let (logits, (labels, _until)) = (gpu.read(logits)?, gpu.read_as::<u32>(labels)?);
    let mut losses = gpu.uninit(Storage::F32, batch)?;
    let mut gradient = gpu.uninit(logits.storage, batch * classes)?;
    {
        let (losses, gradient) = (losses.writing(&gpu), gradient.writing(&gpu));
        let (storage, spans) = (logits.storage, [logits.span, labels, losses.span]);
        gpu.run(&launch::softmax(storage, spans, Some(gradient.span), (batch, classes))?)?;
    }
    let losses = (losses.finish(&gpu), Shape::from(batch));
    Ok(Outputs::from(losses).and((gradient.finish(&gpu), shape)))
}

/// Logits and labels to the mean loss, one f32.
pub(super) fn mean_loss(
    logits: &Input<'_, CudaStorage>,
    labels: &Input<'_, CudaStorage>,
) -> Result<Outputs<CudaStorage>> {
    let (batch, classes) = logits.dims2()?;
    let gpu = Gpu::of(logits.storage);
    let (logits, (labels, _until)) = (gpu.read(logits)?, gpu.read_as::<u32>(labels)?);
    let mut losses = gpu.uninit_as::<f32>(batch)?;
    let losses = gpu.write(&mut losses);
    gpu.produce(Storage::F32, (), |mean| {
        let spans = [logits.span, labels, losses.span];
        gpu.run(&launch::softmax(logits.storage, spans, None, (batch, classes))?)?;
        gpu.run(&launch::mean_loss([losses.span, mean], batch)?)
    })
}
