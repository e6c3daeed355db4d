//! The forward pass of a convolution, with its bias and its epilogue.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, Result, Tensor};

use super::backward::backward;
use super::cpu::convolve;
use super::epilogue;
use super::geometry::Geometry;
use crate::op::{Input, Op, Outputs, produce};
use crate::ops::activation::through;
use crate::ops::fusion::{Epilogue, InputGrad};

/// `(x (B, H, W, C), w (O, kH, kW, C/groups), bias (O)) → y (B, H', W', O)`.
pub(super) struct Forward {
    pub(super) geometry: Geometry,
    pub(super) epilogue: Epilogue,
}

impl Op<3> for Forward {
    const NAME: &'static str = "conv2d";

    fn cpu(&self, [x, w, bias]: [Input<'_, CpuStorage>; 3]) -> Result<Outputs<CpuStorage>> {
        let (x, w, bias) = (x.values()?, w.values::<f32>()?, bias.values()?);
        let g = &self.geometry;
        produce(g.output_shape(), |y| {
            let epilogue = match self.epilogue {
                Epilogue::None => epilogue::Epilogue::Bias(bias),
                Epilogue::Relu => epilogue::Epilogue::BiasRelu(bias),
            };
            convolve(g, x, |o, k| w[o * g.patch() + k], epilogue, y)
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: [Input<'_, CudaStorage>; 3]) -> Result<Outputs<CudaStorage>> {
        super::cuda::forward(&self.geometry, inputs, self.epilogue)
    }

    fn gradients(
        &self,
        [x, w, _]: [&Tensor; 3],
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let dy = through(self.epilogue, y, dy)?;
        let grads = backward(self.geometry, x, w, &dy, InputGrad::Plain)?;
        Ok([grads.input, Some(grads.weight), Some(grads.bias)])
    }
}
