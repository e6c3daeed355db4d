//! The `original` network against its PyTorch twin: 20 updates from the same weights on the same
//! images.
//!
//! `golden/original_losses.json` was written by `golden/twin.py`, which says how weights, pixels
//! and labels follow from integers; this file repeats it. Rounding alone moves the losses by less
//! than 1e-5 of themselves (the twin in f32 against itself in f64); 1e-4 leaves room for another
//! order of sums.

#![allow(clippy::print_stdout)] // the difference it measured, for whoever asks with --nocapture

#[path = "golden/twin.rs"]
mod twin;

use std::collections::HashMap;

use alexnet_data::Batch;
use alexnet_kernels::{Lrn, Sgd, cross_entropy_with_grad};
use alexnet_model::{FrozenLayers, LayerKind, Mode, Network, NetworkSpec, Role, Tower};
use alexnet_train::{ComputeDevice, InputRecipe, InputStage, Mean, Optimizer};
use candle_core::{DType, Device, Module, Result, Tensor};
use serde_json::Value;
use twin::{assert_close, mix, rms, weights};

const GOLDEN: &str = include_str!("golden/original_losses.json");
const SIDE: usize = 224;

/// The images and labels of step `s`: noise over a checkerboard that tells the class.
fn batch(s: usize) -> Batch {
    let mut batch = Batch::new();
    (batch.height, batch.width) = (SIDE, SIDE);
    for b in 0..8 {
        let image = (s % 4) * 8 + b;
        let label = image * 37 % 10;
        for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
            for c in 0..3 {
                let at = 0x9e37_79b9 + (image * SIDE * SIDE * 3 + (y * SIDE + x) * 3 + c) as u64;
                let noise = mix(at as u32) >> 24;
                let tile = (x / (4 + 2 * label) + y / (22 - 2 * label) + c * label) % 2;
                batch.pixels.push((noise / 4 + 32 + 128 * tile as u32) as u8);
            }
        }
        batch.labels.push(label as u32);
        batch.color_shift.push([0.0; 3]);
    }
    batch
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// `original` without dropout, with the twin's weights.
fn network() -> Result<Network> {
    let mut spec = NetworkSpec::preset("original").unwrap();
    spec.layers.retain(|l| !matches!(l.kind, LayerKind::Dropout { .. }));
    let mut tensors = HashMap::new();
    let with_weights = Network::new(&spec, 1, &Device::Cpu)?;
    let shapes = with_weights.tensors()?;
    // Standard deviations and biases are the twin's own table, so that the preset's are held
    // against it.
    let std = [0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01];
    let biases = [0f32, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0];
    for (p, parameter) in with_weights.parameters().enumerate() {
        let shape = shapes[&parameter.name].shape();
        let n = shape.elem_count();
        let values = match parameter.role {
            Role::Weight => weights(p as u32, n, std[p / 2]),
            Role::Bias => vec![biases[p / 2]; n],
        };
        tensors.insert(parameter.name.clone(), Tensor::from_vec(values, shape, &Device::Cpu)?);
    }
    Network::from_tensors(&spec, &tensors)
}

/// Were the inputs wrong, the other test would fail too, and seem to show a wrong layer.
#[test]
fn inputs_are_the_twins() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    for (s, want) in golden["inputs"]["batches"].as_array().unwrap().iter().enumerate() {
        let batch = batch(s);
        assert!(batch.labels.iter().map(|l| f64::from(*l)).eq(numbers(&want["labels"])), "{s}");
        assert_eq!(
            batch.pixels.iter().map(|p| u64::from(*p)).sum::<u64>(),
            want["sum"].as_u64().unwrap()
        );
        let ends = |p: &[u8]| p.iter().map(|p| f64::from(*p)).collect::<Vec<_>>();
        assert_eq!(ends(&batch.pixels[..6]), numbers(&want["first"]));
        assert_eq!(ends(&batch.pixels[batch.pixels.len() - 6..]), numbers(&want["last"]));
    }
    let want = numbers(&golden["inputs"]["weights_first_three_and_last"]["conv1.weight"]);
    let got = weights(0, 96 * 3 * 11 * 11, 0.01);
    let got = [got[0], got[1], got[2], got[got.len() - 1]].map(f64::from);
    assert_eq!(got.to_vec(), want);
}

/// Compares the layers' outputs, the gradients, the losses and how far each parameter moves. The
/// losses alone would not show LRN across the towers, and some other faults; `golden/README.md`
/// says which.
#[test]
fn twenty_updates_are_pytorchs() -> Result<()> {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let rates = |kind: &str| {
        let of = |key: &str| golden["settings"][kind][key].as_f64().unwrap() as f32;
        Sgd { rate: of("rate"), momentum: of("momentum"), decay: of("decay") }
    };
    let mut network = network()?;
    let before = network.tensors()?;
    let optimizer = Optimizer::new(&mut network, &HashMap::new(), DType::F32)?;
    let names: Vec<String> = network.parameters().map(|p| p.name.clone()).collect();
    let rates = network.parameters().map(|p| match p.role {
        Role::Weight => rates("weight"),
        Role::Bias => rates("bias"),
    });
    let rates: Vec<Sgd> = rates.collect();
    let input = InputRecipe { mean: Mean::Channel, scale: [1.0; 3] };
    let input = InputStage::new(&input, &[128.0; 3], [1, 1], [SIDE, SIDE], &ComputeDevice::cpu())?;
    let mut worst = 0f64;
    for (s, want) in golden["losses"].as_array().unwrap().iter().enumerate() {
        let batch = batch(s);
        let labels = Tensor::from_slice(&batch.labels, batch.labels.len(), &Device::Cpu)?;
        let tape =
            network.forward_tape(&input.run(&batch, 1.0)?, Mode::Test, FrozenLayers::NONE)?;
        if s == 0 {
            let outputs = golden["first_step_output_rms"].as_object().unwrap();
            let ours = outputs_by_layer(&network.towers()[0], &input.run(&batch, 1.0)?)?;
            for (name, want) in outputs {
                assert_close(name, ours[&layer_of(name)], want, 1e-5);
            }
            assert_eq!(outputs.len(), 14);
        }
        let (losses, gradient) = cross_entropy_with_grad(tape.logits(), &labels)?;
        network.backward(tape, gradient, &mut |index, gradient| {
            if s == 0 {
                let name = &names[index];
                let want = &golden["first_step_gradient_rms"][name];
                assert_close(&format!("gradient of {name}"), rms(gradient)?, want, 1e-4);
            }
            optimizer.update(index, gradient, &rates)
        })?;
        let loss = f64::from(losses.mean_all()?.to_scalar::<f32>()?);
        worst = worst.max(assert_close(&format!("loss of step {s}"), loss, want, 1e-4));
    }
    let [values, _] = optimizer.snapshot(&network)?.values()?;
    for (name, after) in values {
        let moved = rms(&(&after - &before[&name])?)?;
        assert_close(
            &format!("move of {name}"),
            moved,
            &golden["moved_in_all_steps_rms"][&name],
            5e-3,
        );
    }
    println!("20 losses, largest relative difference {worst:.1e}");
    Ok(())
}

/// The root mean square of each fused layer's output, by the name of its last layer of the file,
/// and of what an LRN gives to the pooling that is fused into it.
fn outputs_by_layer(tower: &Tower, images: &Tensor) -> Result<HashMap<String, f64>> {
    let (mut x, mut outputs) = (images.clone(), HashMap::new());
    for layer in tower.layers() {
        if let (Some(_), LayerKind::Lrn { n, alpha, beta, k, towers, alpha_over_n }) =
            (&layer.pool, layer.kind)
        {
            let lrn = Lrn { n, alpha, beta, k, towers, alpha_over_n };
            outputs.insert(layer.name.clone(), rms(&lrn.forward(&x)?)?);
        }
        x = layer.forward_tape(tower.parameters(), &x, Mode::Test)?.0;
        outputs.insert(layer.relu.as_ref().unwrap_or(&layer.name).clone(), rms(&x)?);
    }
    Ok(outputs)
}

/// Our layer whose output is the twin's output `name`: the ReLU after the layer if there is one,
/// but not for LRN's input.
fn layer_of(name: &str) -> String {
    match name {
        "conv1" | "lrn1" | "lrn2" | "pool2" | "conv5" | "fc8" => name.to_owned(),
        "map_norm2" => "norm2".to_owned(),
        with_relu => format!("relu{}", &with_relu[with_relu.len() - 1..]),
    }
}
