//! Operations whose results are two tensors, each in memory of its own.

use std::cell::OnceCell;

use candle_core::op::BackpropOp;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Storage, Tensor, bail,
};

use super::conv::{ConvSize, conv_backward_filter};
use super::dense::linear_weight_gradient;
use super::parameters::column_sums;
use super::plain::softmax_loss_and_gradient;

/// `x` (B, H, W, C) and `dy` (B, H', W', O) to the gradients by weights (O, kH, kW, C/groups) and bias (O), the latter
/// f32.
pub(crate) fn conv_parameter_gradients(
    size: ConvSize,
    x: &Tensor,
    dy: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let weight = x.apply_op2_no_bwd(dy, &ConvWeight(size))?;
    Ok((weight, dy.apply_op1_no_bwd(&Bias(size.out_channels))?))
}

/// `x` (B, I) and `dy` (B, O) to the gradients by weights (O, I) and bias (O), the latter f32.
pub(crate) fn linear_parameter_gradients(x: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor)> {
    let weight = x.apply_op2_no_bwd(dy, &LinearWeight)?;
    Ok((weight, dy.apply_op1_no_bwd(&Bias(dy.dim(1)?))?))
}

/// Logits (B, K) and labels (B) to the losses (B), f32, and the gradient of their mean (B, K).
pub(crate) fn loss_and_gradient(logits: &Tensor, labels: &Tensor) -> Result<(Tensor, Tensor)> {
    let op = Loss { losses: OnceCell::new() };
    let gradient = logits.apply_op2_no_bwd(labels, &op)?;
    let Some(losses) = op.losses.into_inner() else { bail!("no losses were made") };
    let losses = Tensor::from_storage(losses, labels.shape(), BackpropOp::none(), false);
    Ok((losses, gradient))
}

fn not_here(op: &'static str) -> Result<(CpuStorage, Shape)> {
    bail!("{op}: this is the card's way; the processor has its own")
}

struct ConvWeight(ConvSize);

impl CustomOp2 for ConvWeight {
    fn name(&self) -> &'static str {
        "conv2d-weight-gradient"
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
        x: &CudaStorage,
        x_l: &Layout,
        dy: &CudaStorage,
        dy_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let size = &self.0;
        let (kernel_h, kernel_w) = size.kernel;
        let shape = (size.out_channels, kernel_h, kernel_w, size.channels / size.groups);
        Ok((conv_backward_filter(size, (x, x_l), (dy, dy_l))?, Shape::from(shape)))
    }
}

struct LinearWeight;

impl CustomOp2 for LinearWeight {
    fn name(&self) -> &'static str {
        "linear-weight-gradient"
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
        x: &CudaStorage,
        x_l: &Layout,
        dy: &CudaStorage,
        dy_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let shape = Shape::from((dy_l.shape().dims2()?.1, x_l.shape().dims2()?.1));
        Ok((linear_weight_gradient((x, x_l), (dy, dy_l))?, shape))
    }
}

/// The sums of columns of this many channels.
struct Bias(usize);

impl CustomOp1 for Bias {
    fn name(&self) -> &'static str {
        "bias-gradient"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        not_here(self.name())
    }

    fn cuda_fwd(&self, dy: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((column_sums(dy, l, self.0)?, Shape::from(self.0)))
    }
}

struct Loss {
    losses: OnceCell<Storage>,
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
        _ = self.losses.set(Storage::Cuda(losses));
        Ok((gradient, l.shape().clone()))
    }
}
