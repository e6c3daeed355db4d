//! One training step of a small network with every kind of layer.
//!
//! On the CPU candle differentiates the network itself, in f32, which is another way through other
//! code. The device makes the step of the training loop; then the same step once more, which must
//! give the same bits; then the same step of the network split over the device under two names.

use alexnet_kernels::{ComputeDevice, Sgd, cross_entropy, cross_entropy_with_grad};
use alexnet_model::{Mode, Network, NetworkSpec, Parameter};
use candle_core::{Device, Result, Var, bail};

use super::bounds;
use super::comparisons::{Comparisons, values_of};
use crate::error::Error;
use crate::trainer::{Trainer, random_batch};

const NETWORK: &str = include_str!("network.toml");
const BATCH: usize = 16;
const MODE: Mode = Mode::Train { seed: 3, step: 7 };
const RULE: Sgd = Sgd { rate: 0.01, momentum: 0.9, decay: 0.05 };

pub(super) fn compare(test: &mut Comparisons<'_>) -> std::result::Result<(), Error> {
    let spec = NetworkSpec::from_toml("the self-test", NETWORK)?;
    let network = Network::new(&spec, 5, &Device::Cpu)?;
    let want = differentiated(&network)?;
    let towers = ComputeDevice::open_all(&[test.compute.name(); 2], test.compute.options())?;
    test.attempt("step", |test| {
        let one = vec![test.compute.clone()];
        let (after, once_more) = (stepped(&network, &one)?, stepped(&network, &one)?);
        compare_step(test, "step", &network, &after, &want)?;
        // The fastest algorithms of a GPU may add in any order.
        if !test.compute.is_async() || test.compute.options().deterministic {
            let error = if once_more.1 == after.1 { 0.0 } else { f64::INFINITY };
            test.add("step", "twice, bit by bit", shape(), error, 0.0);
        }
        Ok(())
    });
    test.attempt("split step", |test| {
        compare_step(test, "split step", &network, &stepped(&network, &towers)?, &want)
    });
    Ok(())
}

fn shape() -> String {
    format!("batch {BATCH}")
}

fn compare_step(
    test: &mut Comparisons<'_>,
    operation: &str,
    network: &Network,
    (losses, states): &(Vec<f64>, Vec<State>),
    (want_losses, want_gradients): &(Vec<f64>, Vec<Vec<f64>>),
) -> Result<()> {
    let bound = bounds::step(test.precision());
    let mut losses = losses.clone();
    test.spoil(operation, &mut losses);
    test.add(operation, "losses", shape(), bounds::norm(&losses, want_losses), bound);
    let parameters = network.parameters().zip(states).zip(want_gradients);
    for ((parameter, [value, velocity]), gradient) in parameters {
        // The first velocity is −rate · (gradient + decay · weight). It is compared, and not the
        // weight, whose change is a small difference of large numbers.
        let weights = values_of(&parameter.disk_layout(&parameter.tensor)?)?;
        let (rate, decay) = (f64::from(RULE.rate), f64::from(RULE.decay));
        let moves = gradient.iter().zip(&weights).map(|(g, w)| -rate * (g + decay * w));
        let moves: Vec<f64> = moves.collect();
        let mut velocity = velocity.clone();
        test.spoil(operation, &mut velocity);
        let error = bounds::norm(&velocity, &moves);
        test.add(operation, &format!("moves of {}", parameter.name), shape(), error, bound);
        let moved: Vec<f64> = weights.iter().zip(&velocity).map(|(w, v)| w + v).collect();
        let error = bounds::largest(value, &moved);
        test.add(operation, "weights moved", shape(), error, bounds::in_f32(1));
    }
    Ok(())
}

/// The losses, and the gradient of their mean with respect to each parameter in its layout on disk,
/// by candle's own differentiation.
fn differentiated(network: &Network) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let (images, labels) = random_batch(network.spec(), BATCH, &[ComputeDevice::cpu()])?;
    let mut network = network.clone();
    let mut variables = Vec::new();
    for (index, parameter) in network.clone().parameters().enumerate() {
        let variable = Var::from_tensor(&parameter.tensor)?;
        network.replace_parameter(index, variable.as_tensor().clone())?;
        variables.push(variable);
    }
    let logits = network.forward(&images[0], MODE)?;
    let losses = cross_entropy_with_grad(&logits.detach(), &labels)?.0;
    let gradients = cross_entropy(&logits, &labels)?.backward()?;
    let of = |(parameter, variable): (&Parameter, &Var)| match gradients.get(variable) {
        Some(gradient) => values_of(&parameter.disk_layout(gradient)?),
        None => bail!("a parameter has no gradient"),
    };
    Ok((values_of(&losses)?, network.parameters().zip(&variables).map(of).collect::<Result<_>>()?))
}

/// The weights and the velocity of a parameter, in its layout on disk.
type State = [Vec<f64>; 2];

/// The losses of one step as the training loop makes it, and the parameters after it.
fn stepped(network: &Network, devices: &[ComputeDevice]) -> Result<(Vec<f64>, Vec<State>)> {
    let trainer = Trainer::new(network, |_| RULE, BATCH, devices)?;
    let losses = trainer.step(&trainer.images, &trainer.labels, MODE)?.get(0)?;
    let [values, velocities] = trainer.optimizer.snapshot(&trainer.network)?.values()?;
    let states = network
        .parameters()
        .map(|p| Ok([values_of(&values[&p.name])?, values_of(&velocities[&p.name])?]));
    Ok((values_of(&losses)?, states.collect::<Result<_>>()?))
}
