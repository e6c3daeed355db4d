//! One training step of a small network with every kind of layer.
//!
//! On the processor candle differentiates the network itself, in f32: another way through other code. On the device
//! it is the step of the training loop. Then the same step once more, which must give the same bits, and split by its
//! towers with the device under two names.

use std::collections::HashMap;

use alexnet_kernels::{
    ComputeDevice, Sgd, channels_last, cross_entropy, cross_entropy_with_grad, normals,
};
use alexnet_model::{Mode, Network, NetworkSpec, Parameter};
use candle_core::{DType, Device, Result, Tensor, Var, bail};

use super::{Bench, bounds, values_of};
use crate::input::handles;
use crate::{Error, Optimizer};

const NETWORK: &str = r#"
name = "selftest"
input = [3, 43, 43]
towers = 2
layers = [
  { name = "conv1", kind = "conv", filters = 32, kernel = 7, stride = 2, pad = [0, 1, 0, 1], init = { std = 0.01, bias = 0.1 } },
  { name = "relu1", kind = "relu" },
  { name = "lrn1", kind = "lrn", n = 5, alpha = 0.01, beta = 0.75, k = 2.0, towers = 2 },
  { name = "pool1", kind = "max-pool", kernel = 3, stride = 2 },
  { name = "conv2", kind = "conv", filters = 32, kernel = 5, pad = [2, 2, 2, 2], groups = 2, init = { std = 0.05, bias = 0.1 } },
  { name = "pool2", kind = "max-pool", kernel = 3, stride = 2, ceil = true },
  { name = "relu2", kind = "relu" },
  { name = "norm2", kind = "map-norm", n = 3, alpha = 0.01, beta = 0.75, k = 1.0 },
  { name = "conv3", kind = "conv", filters = 48, kernel = 3, pad = [1, 1, 1, 1], init = { std = 0.05, bias = 0.0 } },
  { name = "relu3", kind = "relu" },
  { name = "fc4", kind = "linear", outputs = 64, init = { std = 0.03, bias = 0.1 } },
  { name = "relu4", kind = "relu" },
  { name = "drop4", kind = "dropout", keep = 0.5, scale = "at-test" },
  { name = "fc5", kind = "linear", outputs = 10, init = { std = 0.1, bias = 0.0 } },
]
"#;

const BATCH: usize = 16;
const MODE: Mode = Mode::Train { seed: 3, step: 7 };
const RULE: Sgd = Sgd { rate: 0.01, momentum: 0.9, decay: 0.05 };

pub(super) fn test(bench: &mut Bench<'_>) -> std::result::Result<(), Error> {
    let spec = NetworkSpec::from_toml("the self-test", NETWORK)?;
    let network = Network::new(&spec, 5, &Device::Cpu)?;
    let (wanted_losses, wanted) = differentiated(&network)?;
    let one = std::slice::from_ref(&bench.compute);
    let after = stepped(&network, one)?;
    let once_more = stepped(&network, one)?;
    let (name, options) = (bench.compute.name(), bench.compute.options());
    // The device stands in for two, a tower on each.
    let towers = ComputeDevice::open_all(&[name; 2], options)?;
    let split = stepped(&network, &towers)?;
    for (operation, (losses, states)) in [("step", &after), ("split step", &split)] {
        let bound = bounds::step(bench.precision());
        let mut losses = losses.clone();
        bench.spoil(operation, &mut losses);
        let shape = || format!("batch {BATCH}");
        bench.found(operation, "losses", shape(), bounds::length(&losses, &wanted_losses), bound);
        for (index, (parameter, [value, velocity])) in network.parameters().zip(states).enumerate()
        {
            // From rest, the velocity is −rate · (gradient + decay · weight): no difference of large numbers.
            let weights = values_of(&parameter.disk_layout(&parameter.tensor)?)?;
            let (rate, decay) = (f64::from(RULE.rate), f64::from(RULE.decay));
            let moves = wanted[index].iter().zip(&weights).map(|(g, w)| -rate * (g + decay * w));
            let moves: Vec<f64> = moves.collect();
            let mut velocity = velocity.clone();
            bench.spoil(operation, &mut velocity);
            let error = bounds::length(&velocity, &moves);
            bench.found(operation, &format!("moves of {}", parameter.name), shape(), error, bound);
            let moved: Vec<f64> = weights.iter().zip(&velocity).map(|(w, v)| w + v).collect();
            let error = bounds::largest(value, &moved);
            bench.found(operation, "weights moved", shape(), error, bounds::in_f32(1));
        }
    }
    // A card's fastest algorithms may add in any order; the processor's do not, and those of --deterministic.
    if !bench.compute.is_async() || bench.compute.options().deterministic {
        let same = once_more.1 == after.1;
        let error = if same { 0.0 } else { f64::INFINITY };
        bench.found("step", "twice, bit by bit", format!("batch {BATCH}"), error, 0.0);
    }
    Ok(())
}

/// Images (B, 3, H, W) with channels last, and labels, in the host's memory.
fn data(spec: &NetworkSpec) -> Result<[Tensor; 2]> {
    let [c, h, w] = spec.input;
    let pixels = normals(1, 2, 60.0, BATCH * c * h * w);
    let images = channels_last(&Tensor::from_vec(pixels, (BATCH, c, h, w), &Device::Cpu)?)?;
    let labels: Vec<u32> = (0..BATCH).map(|i| (i * 7 % 10) as u32).collect();
    Ok([images, Tensor::from_vec(labels, BATCH, &Device::Cpu)?])
}

/// Losses, and the gradient of their mean by each parameter as it is on disk, by candle's own differentiation.
fn differentiated(network: &Network) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let [images, labels] = data(network.spec())?;
    let mut network = network.clone();
    let mut variables = Vec::new();
    for (index, parameter) in network.clone().parameters().enumerate() {
        let variable = Var::from_tensor(&parameter.tensor)?;
        network.replace_parameter(index, variable.as_tensor().clone())?;
        variables.push(variable);
    }
    let logits = network.forward(&images, MODE)?;
    let losses = cross_entropy_with_grad(&logits.detach(), &labels)?.0;
    let gradients = cross_entropy(&logits, &labels)?.backward()?;
    let of = |(parameter, variable): (&Parameter, &Var)| match gradients.get(variable) {
        Some(gradient) => values_of(&parameter.disk_layout(gradient)?),
        None => bail!("a parameter has no gradient"),
    };
    Ok((values_of(&losses)?, network.parameters().zip(&variables).map(of).collect::<Result<_>>()?))
}

/// A parameter's weights and velocity.
type State = [Vec<f64>; 2];

/// Losses, and weights and velocity of each parameter as they are on disk, after one step as the training loop makes it.
fn stepped(network: &Network, devices: &[ComputeDevice]) -> Result<(Vec<f64>, Vec<State>)> {
    let [images, labels] = data(network.spec())?;
    let weights = devices[0].weights();
    let rows = images.permute((0, 2, 3, 1))?.to_dtype(devices[0].activations())?;
    let on = |compute: &ComputeDevice| rows.to_device(compute.device())?.permute((0, 3, 1, 2));
    let images = devices.iter().map(on).collect::<Result<Vec<_>>>()?;
    let labels = labels.to_device(devices[0].device())?;
    let mut placed = network.to_devices(&handles(devices), DType::F32)?;
    let optimizer = Optimizer::new(&mut placed, &HashMap::new(), weights)?;
    let rates = vec![RULE; placed.parameters().count()];
    let tape = placed.forward_tape(&images[..], MODE)?;
    let (losses, gradient) = cross_entropy_with_grad(tape.logits(), &labels)?;
    placed.backward(tape, gradient, &mut |parameter, gradient| {
        optimizer.update(parameter, gradient, &rates)
    })?;
    let [values, velocities] = optimizer.values(&placed)?;
    let states = network
        .parameters()
        .map(|p| Ok([values_of(&values[&p.name])?, values_of(&velocities[&p.name])?]));
    Ok((values_of(&losses)?, states.collect::<Result<_>>()?))
}
