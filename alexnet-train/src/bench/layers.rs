//! Each layer's forward and backward pass by itself, with what it works through in a second.

use std::time::Instant;

use alexnet_kernels::{Compute, recycle};
use alexnet_model::{Layer, Layers, Op, Saved, StageOutput};
use serde::Serialize;

use super::{QUEUED, Trainer, mode};
use crate::Error;

/// Every pass is timed so often; the fastest counts.
const TRIES: usize = 3;

/// One layer's passes over a batch.
#[derive(Debug, Clone, Serialize)]
pub struct LayerTimes {
    /// Its name; `conv2+relu2` where a ReLU runs with it.
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
pub(super) fn operations(layers: &Layers) -> f64 {
    let of = |(index, layer): (usize, &Layer)| {
        let [forward, backward] = work(index, layer, 4.0);
        if layer.weight.is_some() { forward + backward } else { 0.0 }
    };
    layers.iter().enumerate().map(of).sum()
}

/// What one image's forward and backward pass work through: operations, or bytes, of which a number has `each`.
fn work(index: usize, layer: &Layer, each: f64) -> [f64; 2] {
    if layer.weight.is_some() {
        let forward = 2.0 * layer.macs as f64;
        // The gradient by the weights, and by the input unless that is the images.
        return [forward, if index == 0 { forward } else { 2.0 * forward }];
    }
    let (input, output) = (each * layer.input.len() as f64, each * layer.output.len() as f64);
    [input + output, 2.0 * input + output]
}

/// One step, stage by stage: a layer, with its ReLU where that runs with it.
pub(super) fn measure(trainer: &Trainer) -> Result<Vec<LayerTimes>, Error> {
    let Trainer { optimizer, rates, labels, .. } = trainer;
    // One device has all of the network.
    let (network, images) = (&trainer.network.towers()[0], &trainer.images[0]);
    let compute = &trainer.devices[0];
    let each = compute.activations().size_in_bytes() as f64;
    let (mode, layers) = (mode(0), network.layers());
    let layers: Vec<&Layer> = layers.iter().collect();
    let batch = images.dim(0)? as f64;
    let mut passes = vec![StageOutput { output: images.clone(), argmax: None }];
    let mut times = Vec::new();
    for &stage in network.stages() {
        let x = &passes[passes.len() - 1].output;
        let (forward_ms, y) = fastest(
            compute,
            || Ok(network.forward_stage(stage, x, mode)?),
            |pass| {
                recycle(pass.output);
                pass.argmax.into_iter().for_each(recycle);
            },
        )?;
        passes.push(y);
        let layer = layers[stage.layer];
        let names: Vec<&str> = stage.layers().map(|l| layers[l].spec.name.as_str()).collect();
        times.push(LayerTimes {
            name: names.join("+"),
            kind: layer.spec.kind.word(),
            forward_ms,
            backward_ms: 0.0,
            update_ms: 0.0,
            forward_rate: batch * work(stage.layer, layer, each)[0] / 1e6 / forward_ms,
            backward_rate: 0.0,
            unit: if layer.weight.is_some() { "GFLOP/s" } else { "GB/s" },
        });
    }
    let logits = &passes[passes.len() - 1].output;
    let (_, mut dy) = alexnet_kernels::SoftmaxCrossEntropy.loss_and_gradient(logits, labels)?;
    for (number, &stage) in network.stages().iter().enumerate().rev() {
        let (before, behind, times) = (&passes[number], &passes[number + 1], &mut times[number]);
        let saved = Saved {
            input: Some(&before.output),
            output: Some(&behind.output),
            argmax: behind.argmax.as_ref(),
        };
        let (backward_ms, gradients) = fastest(
            compute,
            || Ok(network.backward_stage(stage, saved, &dy, mode)?),
            |gradients| {
                gradients.input.into_iter().for_each(recycle);
                gradients.parameters.into_iter().for_each(|[weight, _]| recycle(weight));
            },
        )?;
        times.backward_ms = backward_ms;
        let work = work(stage.layer, layers[stage.layer], each);
        times.backward_rate = batch * work[1] / 1e6 / backward_ms;
        if let (Some(parameters), Some(first)) =
            (&gradients.parameters, network.first_parameter(stage.layer))
        {
            let update = || {
                for (offset, gradient) in parameters.iter().enumerate() {
                    optimizer.update(first + offset, gradient, rates)?;
                }
                Ok(())
            };
            times.update_ms = fastest(compute, update, |()| ())?.0;
        }
        if let Some(dx) = gradients.input {
            recycle(std::mem::replace(&mut dy, dx));
        }
        gradients.parameters.into_iter().for_each(|[weight, _]| recycle(weight));
    }
    Ok(times)
}

/// The part of all layers' time that goes to layers without weights.
pub(super) fn share_without_weights(layers: &[LayerTimes]) -> f64 {
    let sum = |which: fn(&&LayerTimes) -> bool| -> f64 {
        let of = |l: &LayerTimes| l.forward_ms + l.backward_ms + l.update_ms;
        layers.iter().filter(which).map(of).sum()
    };
    sum(|l| l.unit == "GB/s") / sum(|_| true)
}

/// What the first local response normalization works through in a second, both passes together.
pub(super) fn lrn_rate(trainer: &Trainer, times: &[LayerTimes]) -> Option<f64> {
    let layers = trainer.network.layers();
    let (index, layer) = layers.iter().enumerate().find(|(_, l)| matches!(l.op, Op::Lrn(_)))?;
    let times = times.iter().find(|t| t.name == layer.spec.name)?;
    let each = trainer.devices[0].activations().size_in_bytes() as f64;
    let [forward, backward] = work(index, layer, each);
    let batch = trainer.images[0].dim(0).ok()? as f64;
    Some(batch * (forward + backward) / 1e6 / (times.forward_ms + times.backward_ms))
}

/// The milliseconds of the fastest of some runs, and what the last gave; what the others gave is `spent`. On a card
/// each is the mean of several without waiting between them.
fn fastest<T>(
    compute: &Compute,
    run: impl Fn() -> Result<T, Error>,
    spent: impl Fn(T),
) -> Result<(f64, T), Error> {
    let repeats = if compute.queues() { QUEUED } else { 1 };
    let timed = || {
        compute.wait()?;
        let start = Instant::now();
        for _ in 1..repeats {
            spent(run()?);
        }
        let result = run()?;
        compute.wait()?;
        Ok::<_, Error>((start.elapsed().as_secs_f64() * 1e3 / repeats as f64, result))
    };
    let mut best = timed()?;
    for _ in 1..TRIES {
        let next = timed()?;
        let (ms, before) = std::mem::replace(&mut best, next);
        best.0 = best.0.min(ms);
        spent(before);
    }
    Ok(best)
}
