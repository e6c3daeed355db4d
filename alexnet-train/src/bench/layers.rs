//! The forward and backward pass of each layer by itself, and their rates.

use alexnet_kernels::{InputGrad, Lrn, cross_entropy_with_grad, normals};
use alexnet_model::{FusedLayer, LayerKind, Mode, Shape};
use candle_core::{Device, Module, Tensor};
use serde::Serialize;

use super::timing::fastest;
use crate::error::Error;
use crate::trainer::{DIFFERENT, Trainer, repeated};

/// How often every pass is timed; the fastest counts.
const TRIES: usize = 3;

/// The passes of a layer over a batch.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LayerTimes {
    /// The layer's name; `conv2+relu2` where a layer is fused into it.
    pub name: String,
    /// The layer's kind, in the word of the presets.
    pub kind: &'static str,
    /// Milliseconds of the forward pass.
    pub forward_ms: f64,
    /// Milliseconds of the backward pass, without the update.
    pub backward_ms: f64,
    /// Milliseconds of the update of its weights and biases; 0 for a layer without.
    pub update_ms: f64,
    /// The rate of the forward pass, in `unit`.
    pub forward_rate: f64,
    /// The rate of the backward pass, in `unit`.
    pub backward_rate: f64,
    /// `GFLOP/s` by the direct algorithm for layers with weights; for others `GB/s`, where each
    /// tensor is read or written once.
    pub unit: &'static str,
}

/// Floating-point operations of one image's forward and backward pass, by the direct algorithm.
pub(super) fn operations(layers: &[FusedLayer]) -> f64 {
    let with_weights = layers.iter().filter(|layer| layer.weight.is_some());
    with_weights.map(|layer| work(layer, 4.0).iter().sum::<f64>()).sum()
}

/// The work of one image's forward and backward pass: operations for layers with weights, else the
/// bytes of activations, of which each value has `bytes`.
fn work(layer: &FusedLayer, bytes: f64) -> [f64; 2] {
    if layer.weight.is_some() {
        let forward = 2.0 * layer.multiply_adds() as f64;
        // With respect to the weights, and to the input unless that is the images.
        return [forward, if layer.index == 0 { forward } else { 2.0 * forward }];
    }
    let [input, output] =
        [&layer.input, &layer.output].map(|shape| bytes * shape.elem_count() as f64);
    [input + output, 2.0 * input + output]
}

/// Measures one step, layer by layer.
pub(super) fn measure(trainer: &Trainer, mode: Mode) -> Result<Vec<LayerTimes>, Error> {
    let Trainer { optimizer, rates, labels, .. } = trainer;
    // Only one device is measured, and it has the whole network.
    let (tower, images) = (&trainer.network.towers()[0], &trainer.images[0]);
    let compute = &trainer.devices[0];
    let bytes = compute.activations().size_in_bytes() as f64;
    let batch = images.dim(0)? as f64;
    let (mut x, mut tape, mut times) = (images.clone(), Vec::new(), Vec::new());
    for layer in tower.layers() {
        let run = || Ok(layer.forward_tape(tower.parameters(), &x, mode)?);
        let (seconds, (y, saved)) = fastest(compute, TRIES, run)?;
        tape.push(saved);
        x = y;
        times.push(LayerTimes {
            name: layer.full_name(),
            kind: layer.kind.word(),
            forward_ms: 1e3 * seconds,
            forward_rate: batch * work(layer, bytes)[0] / 1e9 / seconds,
            unit: if layer.weight.is_some() { "GFLOP/s" } else { "GB/s" },
            ..LayerTimes::default()
        });
    }
    let (_, mut dy) = cross_entropy_with_grad(&x, labels)?;
    for ((layer, saved), times) in tower.layers().iter().zip(tape).zip(&mut times).rev() {
        let run = || Ok(layer.backward(tower.parameters(), &saved, &dy, mode)?);
        let (seconds, gradients) = fastest(compute, TRIES, run)?;
        times.backward_ms = 1e3 * seconds;
        times.backward_rate = batch * work(layer, bytes)[1] / 1e9 / seconds;
        if !gradients.parameters.is_empty() {
            let update = || {
                for (index, gradient) in &gradients.parameters {
                    optimizer.update(*index, gradient, rates)?;
                }
                Ok(())
            };
            times.update_ms = 1e3 * fastest(compute, TRIES, update)?.0;
        }
        if let Some(dx) = gradients.input {
            dy = dx;
        }
    }
    Ok(times)
}

/// The share of layers without weights in the time of all layers.
pub(super) fn share_without_weights(layers: &[LayerTimes]) -> f64 {
    let sum = |which: fn(&&LayerTimes) -> bool| -> f64 {
        let of = |l: &LayerTimes| l.forward_ms + l.backward_ms + l.update_ms;
        layers.iter().filter(which).map(of).sum()
    };
    sum(|l| l.unit == "GB/s") / sum(|_| true)
}

/// The rate of the network's first local response normalization, alone and both passes together, in
/// GB/s: no pooling is fused into it here.
pub(super) fn lrn_rate(trainer: &Trainer) -> Result<Option<f64>, Error> {
    let (tower, compute) = (&trainer.network.towers()[0], &trainer.devices[0]);
    let mut layers = tower.layers().iter().map(|layer| (layer.kind, layer.input));
    let first = layers.find_map(|(kind, input)| match (kind, input) {
        (LayerKind::Lrn { n, alpha, beta, k, towers, alpha_over_n }, Shape::Map(c, h, w)) => {
            Some((Lrn { n, alpha, beta, k, towers, alpha_over_n }, [c, h, w]))
        }
        _ => None,
    });
    let Some((lrn, [c, h, w])) = first else { return Ok(None) };
    let (batch, dtype) = (trainer.images[0].dim(0)?, compute.activations());
    let different = batch.min(DIFFERENT);
    let values = normals(1, 0, 1.0, different * h * w * c);
    let rows = Tensor::from_vec(values, (different, h, w, c), &Device::Cpu)?;
    let rows = rows.to_dtype(dtype)?.to_device(compute.device())?;
    let x = repeated(&rows, batch)?.permute((0, 3, 1, 2))?; // (B, C, H, W)
    let (forward, y) = fastest(compute, TRIES, || Ok(lrn.forward(&x)?))?;
    let backward = || Ok(lrn.backward(&x, &y, InputGrad::Plain)?);
    let (backward, _) = fastest(compute, TRIES, backward)?;
    let bytes = (5 * x.elem_count() * dtype.size_in_bytes()) as f64;
    Ok(Some(bytes / 1e9 / (forward + backward)))
}
