//! A network with local layers and average pooling against its PyTorch twin: 12 updates from the
//! same weights on the same images. `golden/local_losses.json` was written by `golden/local.py`.

#[path = "golden/twin.rs"]
#[allow(dead_code)] // the images here are random numbers
mod twin;

use std::collections::HashMap;

use alexnet_kernels::{Sgd, channels_last, cross_entropy_with_grad};
use alexnet_model::{FrozenLayers, Mode, Network, NetworkSpec, Role};
use alexnet_train::Optimizer;
use candle_core::{DType, Device, Result, Tensor};
use serde_json::Value;
use twin::{assert_close, rms, weights};

const NETWORK: &str = r#"
name = "local"
input = [3, 12, 10]
layers = [
{ name = "conv1", kind = "conv", filters = 8, kernel = 5, pad = [2, 2, 2, 2], init = "fan-in" },
{ name = "relu1", kind = "relu" },
{ name = "pool1", kind = "avg-pool", kernel = 3, stride = 2, ceil = true },
{ name = "local2", kind = "local", filters = 6, kernel = 3, pad = 1, init = "fan-in" },
{ name = "relu2", kind = "relu" },
{ name = "pool2", kind = "avg-pool", kernel = 2, stride = 1 },
{ name = "local3", kind = "local", filters = 4, kernel = 2, stride = 2, pad = 1, init = "fan-in" },
{ name = "relu3", kind = "relu" },
{ name = "fc4", kind = "linear", outputs = 5, init = "fan-in" },
]"#;

/// The network with the twin's weights.
fn network() -> Result<Network> {
    let spec = NetworkSpec::from_toml("local", NETWORK).unwrap();
    let network = Network::new(&spec, 1, &Device::Cpu)?;
    let (shapes, mut tensors) = (network.tensors()?, HashMap::new());
    let std = [0.15, 0.15, 0.3, 0.3];
    for (p, parameter) in network.parameters().enumerate() {
        let shape = shapes[&parameter.name].shape();
        let std = if parameter.role == Role::Weight { std[p / 2] } else { 0.1 };
        let values = weights(p as u32, shape.elem_count(), std);
        tensors.insert(parameter.name.clone(), Tensor::from_vec(values, shape, &Device::Cpu)?);
    }
    Network::from_tensors(&spec, &tensors)
}

#[test]
fn twelve_updates_are_pytorchs() -> Result<()> {
    let golden: Value = serde_json::from_str(include_str!("golden/local_losses.json")).unwrap();
    let mut network = network()?;
    let optimizer = Optimizer::new(&mut network, &HashMap::new(), DType::F32)?;
    let parameters = network.parameters().map(|p| (p.name.clone(), p.role));
    let (names, roles): (Vec<String>, Vec<Role>) = parameters.unzip();
    let rule = |role: &Role| match role {
        Role::Weight => Sgd { rate: 0.05, momentum: 0.9, decay: 0.02 },
        Role::Bias => Sgd { rate: 0.1, momentum: 0.9, decay: 0.0 },
    };
    let rates: Vec<Sgd> = roles.iter().map(rule).collect();
    for (step, want) in golden["losses"].as_array().unwrap().iter().enumerate() {
        let turn = step as u32 % 3;
        let images = weights(100 + turn, 6 * 3 * 12 * 10, 1.0);
        let images = channels_last(&Tensor::from_vec(images, (6, 3, 12, 10), &Device::Cpu)?)?;
        let labels: Vec<u32> = (0..6).map(|image| (3 * image + turn) % 5).collect();
        let tape = network.forward_tape(&images, Mode::Test, FrozenLayers::NONE)?;
        let labels = Tensor::from_vec(labels, 6, &Device::Cpu)?;
        let (losses, gradient) = cross_entropy_with_grad(tape.logits(), &labels)?;
        network.backward(tape, gradient, &mut |index, gradient| {
            if step == 0 {
                let name = &names[index];
                let want = &golden["first_step_gradient_rms"][name];
                assert_close(&format!("gradient of {name}"), rms(gradient)?, want, 1e-5);
            }
            optimizer.update(index, gradient, &rates)
        })?;
        let loss = f64::from(losses.mean_all()?.to_scalar::<f32>()?);
        assert_close(&format!("loss of step {step}"), loss, want, 1e-5);
    }
    assert_eq!(golden["losses"].as_array().unwrap().len(), 12);
    Ok(())
}
