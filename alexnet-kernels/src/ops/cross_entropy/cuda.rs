//! The loss on GPUs: two results, each in memory of its own.

use std::cell::OnceCell;

use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, Layout, Result, Shape, Storage as TensorStorage, Tensor,
    bail,
};

use super::launch;
use crate::cuda::gpu::{Gpu, not_here};
use crate::cuda::launch::Storage;

/// Logits (B, K) and labels (B) to the losses (B), f32, and the gradient of their mean (B, K).
pub(crate) fn loss_and_gradient(logits: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor)> {
    let op = Loss { losses: OnceCell::new() };
    let gradient = logits.apply_op2_no_bwd(labels, &op)?;
    let Some(losses) = op.losses.into_inner() else { bail!("no losses were made") };
    let losses = Tensor::from_storage(losses, labels.shape(), BackpropOp::none(), false);
    Ok((losses, gradient))
}

struct Loss {
    losses: OnceCell<TensorStorage>,
}

impl CustomOp2 for Loss {
    fn name(&self) -> &'static str {
        "softmax-cross-entropy"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        not_here(self.name())
    }

    fn cuda_fwd(
        &self,
        logits: &CudaStorage,
        l: &Layout,
        labels: &CudaStorage,
        labels_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (losses, gradient) = softmax_loss_and_gradient((logits, l), (labels, labels_l))?;
        _ = self.losses.set(TensorStorage::Cuda(losses));
        Ok((gradient, l.shape().clone()))
    }
}

/// Logits (B, K) and labels (B) to losses (B) f32 and the gradient of the mean loss (B, K), stored as the logits are.
pub(crate) fn softmax_loss_and_gradient(
    (logits, l): (&CudaStorage, &Layout),
    (labels, labels_l): (&CudaStorage, &Layout),
) -> Result<(CudaStorage, CudaStorage)> {
    let (batch, classes) = l.shape().dims2()?;
    let gpu = Gpu::of(logits);
    let logits = gpu.read("softmax-cross-entropy", logits, l)?;
    let (labels, _labels) = gpu.read_as::<u32>("softmax-cross-entropy", labels, labels_l)?;
    let mut losses = gpu.fresh_as::<f32>(batch)?;
    let gradient = {
        let losses = gpu.write(&mut losses);
        gpu.produce(logits.storage, batch * classes, |gradient| {
            let spans = [logits.span, labels, losses.span];
            Ok(vec![launch::softmax(logits.storage, spans, Some(gradient), (batch, classes))?])
        })?
    };
    Ok((CudaStorage::wrap_cuda_slice(losses, gpu.device.clone()), gradient))
}

/// Logits and labels to the mean loss, one f32.
pub(crate) fn mean_loss(
    (logits, l): (&CudaStorage, &Layout),
    (labels, labels_l): (&CudaStorage, &Layout),
) -> Result<CudaStorage> {
    let (batch, classes) = l.shape().dims2()?;
    let gpu = Gpu::of(logits);
    let logits = gpu.read("softmax-cross-entropy", logits, l)?;
    let (labels, _labels) = gpu.read_as::<u32>("softmax-cross-entropy", labels, labels_l)?;
    let mut losses = gpu.fresh_as::<f32>(batch)?;
    let losses = gpu.write(&mut losses);
    gpu.produce(Storage::F32, 1, |mean| {
        let spans = [logits.span, labels, losses.span];
        Ok(vec![
            launch::softmax(logits.storage, spans, None, (batch, classes))?,
            launch::mean_loss([losses.span, mean], batch)?,
        ])
    })
}
