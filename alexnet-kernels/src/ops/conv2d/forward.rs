//! The forward pass: sums over patches, plus the bias, and perhaps the rectifier.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::convolve;
use super::epilogue::Tail;
use super::geometry::Geometry;
use crate::layout::{produce, values};
use crate::ops::gradients::InputGradient;
use crate::ops::relu::rectified;

/// `(x (B, H, W, C), w (O, kH, kW, C/groups), bias (O)) → y (B, H', W', O)`.
pub(super) struct Forward {
    pub(super) geometry: Geometry,
    /// Whether the result is rectified.
    pub(super) relu: bool,
}

impl CustomOp3 for Forward {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_l: &Layout,
        w: &CudaStorage,
        w_l: &Layout,
        bias: &CudaStorage,
        bias_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let g = &self.geometry;
        let (x, w, bias) = ((x, x_l), (w, w_l), (bias, bias_l));
        let y = super::cuda::conv_forward(&g.on_card(), x, w, bias, self.relu)?;
        Ok((y, Shape::from((g.batch, g.output.0, g.output.1, g.out_channels))))
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
        bias: &CpuStorage,
        bias_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = values("conv2d", x, x_l)?;
        let (w, bias) = (values("conv2d", w, w_l)?, values("conv2d", bias, bias_l)?);
        let g = &self.geometry;
        produce((g.batch, g.output.0, g.output.1, g.out_channels), |y| {
            let tail = if self.relu { Tail::BiasRelu(bias) } else { Tail::Bias(bias) };
            convolve(g, x, |o, k| w[o * g.patch() + k], tail, y)
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = if self.relu { rectified(y, dy)? } else { dy.contiguous()? };
        let gradients = super::backward(self.geometry, x, w, &dy, InputGradient::Plain)?;
        Ok((gradients.input, Some(gradients.weight), Some(gradients.bias)))
    }
}
