//! A training step without candle's autograd: each layer's backward pass is called by hand, ReLUs
//! run in the epilogue of the layer before them, and the update changes weights in place.
//!
//! ```text
//! cargo run --release -p alexnet-kernels --example 03_by_hand
//! ```
#![allow(clippy::print_stdout)] // an example talks to people

use alexnet_kernels::{
    Conv2d, Conv2dConfig, Epilogue, InputGrad, Linear, Padding, Sgd, channels_last,
    cross_entropy_with_grad, normals,
};
use candle_core::{Device, Result, Tensor};

/// Weights and velocity, `(2, n)`: the update works on both in one pass over memory.
struct Parameter(Tensor);

impl Parameter {
    fn new(stream: u64, std: f32, n: usize) -> Result<Self> {
        let weights = normals(1, stream, std, n);
        Ok(Self(Tensor::from_vec([weights, vec![0.0; n]].concat(), (2, n), &Device::Cpu)?))
    }

    /// A view of the weights, which sees every update.
    fn weights(&self) -> Result<Tensor> {
        self.0.get(0)
    }
}

/// Trains until the loss is small.
pub fn main() -> Result<()> {
    let (batch, classes, features) = (32, 4, 16 * 8 * 8);
    let images = normals(1, 0, 1.0, batch * 3 * 8 * 8);
    let images = channels_last(&Tensor::from_vec(images, (batch, 3, 8, 8), &Device::Cpu)?)?;
    let labels = Tensor::from_vec((0..batch as u32).map(|i| i % 4).collect(), batch, &Device::Cpu)?;

    let conv_weight = Parameter::new(1, 0.1, 16 * 3 * 3 * 3)?;
    let (conv_bias, linear_bias) = (Parameter::new(2, 0.0, 16)?, Parameter::new(3, 0.0, classes)?);
    let linear_weight = Parameter::new(4, 0.05, classes * features)?;
    // In memory the weights of a convolution are (O, kH, kW, C).
    let weight = conv_weight.weights()?.reshape((16, 3, 3, 3))?.permute((0, 3, 1, 2))?;
    let config = Conv2dConfig { padding: Padding::same(1), ..Default::default() };
    let conv = Conv2d::new(weight, conv_bias.weights()?, config)?;
    let weight = linear_weight.weights()?.reshape((classes, features))?;
    let linear = Linear::new(weight, linear_bias.weights()?)?;

    let mut loss = f32::INFINITY;
    let sgd = Sgd { rate: 0.1, momentum: 0.9, decay: 5e-4 };
    for step in 0..20 {
        let hidden = conv.forward_fused(&images, Epilogue::Relu)?; // (B, 16, 8, 8)
        let flat = hidden.flatten_from(1)?; // (B, 1024)
        let logits = linear.forward_fused(&flat, Epilogue::None)?; // (B, 4)
        let (losses, dlogits) = cross_entropy_with_grad(&logits, &labels)?;
        loss = losses.mean_all()?.to_scalar()?;
        if step % 5 == 0 || step == 19 {
            println!("step {step:2}  loss {loss:.4}");
        }
        // `linear` reads the ReLU's output, so it gives the gradient through the ReLU.
        let top = linear.backward(&flat, &dlogits, InputGrad::ThroughRelu)?;
        let Some(dflat) = top.input else { candle_core::bail!("the gradient was not skipped") };
        let dhidden = dflat.reshape(hidden.shape())?;
        let bottom = conv.backward(&images, &dhidden, InputGrad::Skip)?; // images need no gradient
        sgd.update(&linear_weight.0, &top.weight)?;
        sgd.update(&linear_bias.0, &top.bias)?;
        sgd.update(&conv_weight.0, &bottom.weight)?;
        sgd.update(&conv_bias.0, &bottom.bias)?;
    }
    assert!(loss < 0.01);
    Ok(())
}
