//! One image through a network.
//!
//! `cargo run --release -p alexnet-model --example 01_forward`

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_model::{Mode, Network, NetworkSpec};
use candle_core::{DType, Device, Result, Tensor};

/// Prints the logits of one grey image; the network has drawn its weights and learnt nothing.
pub fn main() -> Result<()> {
    let spec = NetworkSpec::preset("demo").map_err(candle_core::Error::wrap)?;
    let network = Network::new(&spec, /* seed */ 1, &Device::Cpu)?;
    let [c, h, w] = spec.input;
    let image = Tensor::full(20f32, (1, c, h, w), &Device::Cpu)?; // pixels 0–255 minus the mean

    let logits = network.forward(&image, Mode::Test)?; // (1, 10)

    assert_eq!(logits.dims(), [1, 10]);
    assert_eq!(logits.dtype(), DType::F32);
    println!("{:?}", logits.to_vec2::<f32>()?);
    Ok(())
}
