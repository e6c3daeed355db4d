//! Steps of gradient descent by hand.
//!
//! `cargo run --release -p alexnet-model --example 02_train_by_hand`

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_kernels::{cross_entropy_with_grad, normals};
use alexnet_model::{FrozenLayers, Mode, Network, NetworkSpec};
use candle_core::{Device, Result, Tensor};

const BATCH: usize = 8;
const STEPS: u64 = 20;
const RATE: f64 = 0.01;

/// Learns eight images of noise by heart: the loss falls.
pub fn main() -> Result<()> {
    let spec = NetworkSpec::preset("demo").map_err(candle_core::Error::wrap)?;
    let mut network = Network::new(&spec, /* seed */ 1, &Device::Cpu)?;
    let [c, h, w] = spec.input;
    let noise = normals(/* seed */ 2, 0, 60.0, BATCH * c * h * w);
    let images = Tensor::from_vec(noise, (BATCH, c, h, w), &Device::Cpu)?;
    let labels = Tensor::arange(0, BATCH as u32, &Device::Cpu)?; // (8): each image its own class

    let mut means = Vec::new();
    for step in 0..STEPS {
        // The forward pass, which keeps on a tape what the backward pass needs.
        let tape =
            network.forward_tape(&images, Mode::Train { seed: 1, step }, FrozenLayers::NONE)?;
        // The loss of each image (8), and the gradient of their mean with respect to the logits
        // (8, 10).
        let (losses, gradient) = cross_entropy_with_grad(tape.logits(), &labels)?;
        // The backward pass gives each parameter's gradient as soon as it is there.
        let mut updates = Vec::new();
        network.backward(tape, gradient, &mut |index, gradient| {
            updates.push((index, (gradient * RATE)?));
            Ok(())
        })?;
        let old: Vec<Tensor> = network.parameters().map(|p| p.tensor.clone()).collect();
        for (index, update) in updates {
            network.replace_parameter(index, (&old[index] - update)?)?;
        }
        means.push(losses.mean_all()?.to_scalar::<f32>()?);
        println!("step {step:2}: loss {:.4}", means[means.len() - 1]);
    }
    assert!(means[means.len() - 1] < 0.5 * means[0], "{means:?}");
    Ok(())
}
