//! One network on two devices.
//!
//! `cargo run --release -p alexnet-model --example 03_split_over_devices`

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_model::{Mode, Network, NetworkSpec};
use candle_core::{DType, Device, Result, Tensor};

/// Splits a network by its two towers; here the CPU stands in for two GPUs.
pub fn main() -> Result<()> {
    let spec = NetworkSpec::preset("demo").map_err(candle_core::Error::wrap)?;
    let whole = Network::new(&spec, /* seed */ 1, &Device::Cpu)?;
    let split = whole.to_devices(&[Device::Cpu, Device::Cpu], DType::F32)?;
    for tower in split.towers() {
        let outputs: Vec<_> = tower.layers().iter().map(|l| l.share.count).collect();
        println!("{} outputs of {outputs:?} channels", tower.layers().len());
    }
    println!("activations are gathered before {:?}", split.gathering_layers());

    let [c, h, w] = spec.input;
    let images = Tensor::full(20f32, (2, c, h, w), &Device::Cpu)?;
    let logits = whole.forward(&images, Mode::Test)?; // (2, 10)
    let same = split.forward(&images, Mode::Test)?; // (2, 10), on the first device

    let distance = (&logits - &same)?.abs()?.max_all()?.to_scalar::<f32>()?;
    println!("the logits differ by at most {distance:e}");
    assert!(distance < 1e-4);
    Ok(())
}
