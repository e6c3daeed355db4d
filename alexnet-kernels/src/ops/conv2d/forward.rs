//! The forward pass of a convolution, with its bias and its epilogue.

use candle_core::{Result, Tensor};

use super::backward::backward;
use super::cpu::convolve;
use super::epilogue;
use super::geometry::Geometry;
use crate::op::{self, Op, produce};
use crate::ops::fusion::{Epilogue, InputGrad};
use crate::ops::relu::through;

/// `(x (B, H, W, C), w (O, kH, kW, C/groups), bias (O)) → y (B, H', W', O)`.
pub(super) struct Forward {
    pub(super) geometry: Geometry,
    pub(super) epilogue: Epilogue,
}

impl Op<3> for Forward {
    const NAME: &'static str = "conv2d";

    fn cpu(&self, [x, w, bias]: op::CpuInputs<'_, 3>) -> Result<op::CpuOutputs> {
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
    fn cuda(&self, inputs: op::CudaInputs<'_, 3>) -> Result<op::CudaOutputs> {
        super::cuda::forward(&self.geometry, inputs, self.epilogue)
    }

    fn gradients(&self, [x, w, _]: [&Tensor; 3], y: &Tensor, dy: &Tensor) -> Result<op::Grads<3>> {
        let dy = through(self.epilogue, y, dy)?;
        let grads = backward(self.geometry, x, w, &dy, InputGrad::Plain)?;
        Ok([grads.input, Some(grads.weight), Some(grads.bias)])
    }
}
