//! The first layer of AlexNet as candle modules: convolution, LRN, overlapping max-pooling.
//!
//! ```text
//! cargo run --release -p alexnet-kernels --example 01_layer
//! ```
#![allow(clippy::print_stdout)] // an example talks to people

use alexnet_kernels::{Conv2d, Conv2dConfig, Lrn, MaxPool2d, Padding, normals};
use candle_core::{DType, Device, Module, Result, Tensor};

/// Runs the layer and checks that its maps have the sizes of the paper.
pub fn main() -> Result<()> {
    let images = random(0, 1.0, &[2, 3, 224, 224])?;
    let bias = Tensor::zeros(96, DType::F32, &Device::Cpu)?;
    let config = Conv2dConfig { stride: 4, padding: Padding::right_bottom(3), groups: 1 };
    let conv1 = Conv2d::new(random(1, 0.01, &[96, 3, 11, 11])?, bias, config)?;

    let y = conv1.forward(&images)?;
    println!("convolution  {:?}", y.dims());
    assert_eq!(y.dims(), [2, 96, 55, 55]);
    let y = Lrn::ALEXNET.towers(2).forward(&y)?;
    println!("LRN          {:?}", y.dims());
    let y = MaxPool2d::new(3, 2).forward(&y)?;
    println!("max-pooling  {:?}", y.dims());
    assert_eq!(y.dims(), [2, 96, 27, 27]);
    Ok(())
}

/// Normally distributed numbers of seed 1.
fn random(stream: u64, std: f32, dims: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(normals(1, stream, std, dims.iter().product()), dims, &Device::Cpu)
}
