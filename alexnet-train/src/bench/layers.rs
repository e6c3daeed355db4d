//! Each layer's forward and backward pass by itself, with what it works through in a second.

use std::time::Instant;

use alexnet_model::{Layer, Network};
use serde::Serialize;

use super::{Trainer, mode};
use crate::Error;

/// Every pass is timed so often; the fastest counts.
const TRIES: usize = 3;

/// One layer's passes over a batch.
#[derive(Debug, Clone, Serialize)]
pub struct LayerTimes {
    /// Its name.
    pub name: String,
    /// Its kind, in the word of the presets.
    pub kind: &'static str,
    /// Milliseconds of the forward pass.
    pub forward_ms: f64,
    /// Milliseconds of the backward pass, without the update.
    pub backward_ms: f64,
    /// Milliseconds of the update of its weights and biases; 0 for a layer without.
    pub update_ms: f64,
    /// What the forward pass works through in a second, in `unit`.
    pub forward_rate: f64,
    /// What the backward pass works through in a second, in `unit`.
    pub backward_rate: f64,
    /// `GFLOP/s` by the direct algorithm for layers with weights, else `GB/s`: each tensor read or written once.
    pub unit: &'static str,
}

/// Floating-point operations of one image's forward and backward pass, by the direct algorithm.
pub(super) fn operations(network: &Network) -> f64 {
    let of = |(index, layer): (usize, &Layer)| {
        let [forward, backward] = work(index, layer);
        if layer.weight.is_some() { forward + backward } else { 0.0 }
    };
    network.layers().iter().enumerate().map(of).sum()
}

/// What one image's forward and backward pass work through: operations, or bytes.
fn work(index: usize, layer: &Layer) -> [f64; 2] {
    if layer.weight.is_some() {
        let forward = 2.0 * layer.macs as f64;
        // The gradient by the weights, and by the input unless that is the images.
        return [forward, if index == 0 { forward } else { 2.0 * forward }];
    }
    let (input, output) = (4.0 * layer.input.len() as f64, 4.0 * layer.output.len() as f64);
    [input + output, 2.0 * input + output]
}

/// One step, layer by layer.
pub(super) fn measure(trainer: &Trainer) -> Result<Vec<LayerTimes>, Error> {
    let Trainer { network, optimizer, rates, data: [images, labels] } = trainer;
    let mode = mode(0);
    let mut activations = vec![images.clone()];
    let mut times = Vec::new();
    for (index, layer) in network.layers().iter().enumerate() {
        let x = &activations[index];
        let (forward_ms, y) = fastest(|| Ok(network.forward_layer(index, x, mode)?))?;
        activations.push(y);
        times.push(LayerTimes {
            name: layer.spec.name.clone(),
            kind: layer.spec.kind.word(),
            forward_ms,
            backward_ms: 0.0,
            update_ms: 0.0,
            forward_rate: 0.0,
            backward_rate: 0.0,
            unit: if layer.weight.is_some() { "GFLOP/s" } else { "GB/s" },
        });
    }
    let logits = &activations[activations.len() - 1];
    let (_, mut dy) = alexnet_kernels::SoftmaxCrossEntropy.loss_and_gradient(logits, labels)?;
    for (index, layer) in network.layers().iter().enumerate().rev() {
        let (x, y, times) = (&activations[index], &activations[index + 1], &mut times[index]);
        let (backward_ms, gradients) =
            fastest(|| Ok(network.backward_layer(index, [x, y], &dy, mode)?))?;
        if let (Some(parameters), Some(first)) =
            (&gradients.parameters, network.first_parameter(index))
        {
            let update = || {
                for (offset, gradient) in parameters.iter().enumerate() {
                    optimizer.update(first + offset, gradient, rates)?;
                }
                Ok(())
            };
            times.update_ms = fastest(update)?.0;
        }
        times.backward_ms = backward_ms;
        let batch = images.dim(0)? as f64;
        let [forward, backward] = work(index, layer).map(|work| batch * work / 1e6);
        times.forward_rate = forward / times.forward_ms;
        times.backward_rate = backward / times.backward_ms;
        if let Some(dx) = gradients.input {
            dy = dx;
        }
    }
    Ok(times)
}

/// The milliseconds of the fastest of some runs, and what the last gave.
fn fastest<T>(run: impl Fn() -> Result<T, Error>) -> Result<(f64, T), Error> {
    let timed = || {
        let start = Instant::now();
        let result = run()?;
        Ok::<_, Error>((start.elapsed().as_secs_f64() * 1e3, result))
    };
    let mut best = timed()?;
    for _ in 1..TRIES {
        let next = timed()?;
        best = (best.0.min(next.0), next.1);
    }
    Ok(best)
}
