//! The network as a whole: its own backward pass against candle's, first values, layouts.

mod common;

use std::collections::HashMap;

use alexnet_model::{FrozenLayers, LayerKind, Mode, Network, NetworkSpec};
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{Optimizer, SGD, VarBuilder, VarMap};
use common::Sizes;

fn toy() -> NetworkSpec {
    Sizes::TOY.spec()
}

/// Deterministic values in −1..1.
fn wave(shape: &[usize], step: f64) -> Result<Tensor> {
    let n = shape.iter().product::<usize>() as f32;
    Tensor::arange(0f32, n, &Device::Cpu)?.affine(step, 0.3)?.sin()?.reshape(shape)
}

fn close(a: &Tensor, b: &Tensor) -> Result<bool> {
    let worst = (a - b)?.abs()?.flatten_all()?.max(D::Minus1)?.to_scalar::<f32>()?;
    let size = b.abs()?.flatten_all()?.max(D::Minus1)?.to_scalar::<f32>()?;
    Ok(worst <= 1e-5 * size + 1e-7)
}

#[test]
fn the_backward_pass_agrees_with_candles_gradients() -> Result<()> {
    agrees_with_candle(&toy())
}

#[test]
fn so_it_does_with_tanh() -> Result<()> {
    let mut spec = toy();
    for layer in spec.layers.iter_mut().filter(|layer| layer.kind == LayerKind::Relu) {
        layer.kind = LayerKind::Tanh;
    }
    agrees_with_candle(&spec)
}

#[test]
fn so_it_does_with_local_layers_and_averages() -> Result<()> {
    let spec = Sizes::TOY.spec_with_local();
    let layers = spec.fused_layers().unwrap();
    let names: Vec<String> = layers.iter().map(|layer| layer.full_name()).collect();
    assert_eq!(names[4..8], ["drop2", "conv3+relu3", "conv4+relu4", "pool4"]);
    agrees_with_candle(&spec)
}

fn agrees_with_candle(spec: &NetworkSpec) -> Result<()> {
    let mode = Mode::Train { seed: 5, step: 9 };
    let mut network = Network::new(spec, 3, &Device::Cpu)?;
    let images = wave(&[3, 3, 13, 11], 0.7)?;
    let weights = wave(&[3, 5], 1.9)?; // the loss is Σ logits · weights

    let mut computed = HashMap::new();
    let tape = network.forward_tape(&images, mode, FrozenLayers::NONE)?;
    let logits = tape.logits().clone();
    network.backward(tape, weights.clone(), &mut |index, gradient| {
        computed.insert(index, gradient.clone());
        Ok(())
    })?;

    let variables: Vec<Var> =
        network.parameters().map(|p| Var::from_tensor(&p.tensor)).collect::<Result<_>>()?;
    for (index, variable) in variables.iter().enumerate() {
        network.replace_parameter(index, variable.as_tensor().clone())?;
    }
    let by_candle = network.forward(&images, mode)?;
    assert!(close(&logits, &by_candle)?);
    let store = (&by_candle * &weights)?.sum_all()?.backward()?;
    assert_eq!(computed.len(), variables.len());
    for (index, (parameter, variable)) in network.parameters().zip(&variables).enumerate() {
        let name = &parameter.name;
        let want = store.get(variable).unwrap_or_else(|| panic!("no gradient of {name}"));
        assert!(want.abs()?.sum_all()?.to_scalar::<f32>()? > 0.0, "{name}: gradient is zero");
        assert!(close(&computed[&index], want)?, "{name}");
    }
    Ok(())
}

#[test]
fn same_seed_same_network_and_other_seed_another() -> Result<()> {
    let logits = |seed| -> Result<Vec<Vec<f32>>> {
        let network = Network::new(&toy(), seed, &Device::Cpu)?;
        network.forward(&wave(&[2, 3, 13, 11], 0.7)?, Mode::Test)?.to_vec2()
    };
    assert_eq!(logits(1)?, logits(1)?);
    assert_ne!(logits(1)?, logits(2)?);
    Ok(())
}

#[test]
fn dropout_is_a_function_of_seed_and_step() -> Result<()> {
    let network = Network::new(&toy(), 1, &Device::Cpu)?;
    let images = wave(&[2, 3, 13, 11], 0.7)?;
    let logits =
        |seed, step| network.forward(&images, Mode::Train { seed, step })?.to_vec2::<f32>();
    assert_eq!(logits(1, 1)?, logits(1, 1)?);
    assert_ne!(logits(1, 1)?, logits(1, 2)?);
    assert_ne!(logits(1, 1)?, logits(2, 1)?);
    Ok(())
}

/// Weights go to PyTorch's layout and back without a change, dense layers over maps included.
#[test]
fn tensors_go_out_and_come_back() -> Result<()> {
    let network = Network::new(&toy(), 1, &Device::Cpu)?;
    let tensors = network.tensors()?;
    assert_eq!(tensors["conv2.weight"].dims(), [6, 4, 3, 3]);
    assert_eq!(tensors["fc5.weight"].dims(), [9, 6 * 2 * 2]);
    let again = Network::from_tensors(&toy(), &tensors)?;
    let images = wave(&[2, 3, 13, 11], 0.7)?;
    let run = |n: &Network| n.forward(&images, Mode::Test)?.to_vec2::<f32>();
    assert_eq!(run(&network)?, run(&again)?);
    Ok(())
}

/// On disk a local layer's rows are the outputs and its columns the windows, both in channel, row,
/// column order: the columns are what PyTorch's `unfold` gives.
#[test]
fn local_layers_have_pytorchs_order() -> Result<()> {
    let toml = r#"name = "local"
        input = [2, 3, 2]
        layers = [
            { name = "l", kind = "local", filters = 2, kernel = 3, pad = 1, init = "fan-in" },
            { name = "fc", kind = "linear", outputs = 12, init = "fan-in" },
        ]"#;
    let spec = NetworkSpec::from_toml("local", toml).unwrap();
    let first = Network::new(&spec, 1, &Device::Cpu)?.tensors()?;
    assert_eq!([first["l.weight"].dims(), first["l.bias"].dims()], [&[12, 18][..], &[12]]);
    let identity = Tensor::eye(12, DType::F32, &Device::Cpu)?;
    let values = HashMap::from([
        ("l.weight".to_owned(), wave(&[12, 18], 0.37)?),
        ("l.bias".to_owned(), wave(&[12], 1.3)?),
        ("fc.weight".to_owned(), identity), // the logits are the flattened map
        ("fc.bias".to_owned(), Tensor::zeros(12, DType::F32, &Device::Cpu)?),
    ]);
    let network = Network::from_tensors(&spec, &values)?;
    for (name, want) in &values {
        let got = &network.tensors()?[name];
        assert_eq!(got.flatten_all()?.to_vec1::<f32>()?, want.flatten_all()?.to_vec1::<f32>()?);
    }
    let images = wave(&[1, 2, 3, 2], 0.7)?;
    let padded = images.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
    let mut want = Vec::new();
    for (o, h, w) in (0..12).map(|row| (row, row / 2 % 3, row % 2)) {
        let window = padded.narrow(2, h, 3)?.narrow(3, w, 3)?.flatten_all()?;
        let sum = (window * values["l.weight"].get(o)?)?.sum_all()?.to_scalar::<f32>()?;
        want.push(sum + values["l.bias"].get(o)?.to_scalar::<f32>()?);
    }
    let want = Tensor::from_vec(want, (1, 12), &Device::Cpu)?;
    assert!(close(&network.forward(&images, Mode::Test)?, &want)?);
    Ok(())
}

/// The first dense layer reads a map in channel, row, column order, as PyTorch's flatten does.
#[test]
fn dense_layers_over_maps_have_pytorchs_order() -> Result<()> {
    let toml = r#"name = "flat"
        input = [3, 4, 5]
        [[layers]]
        name = "fc"
        kind = "linear"
        outputs = 2
        init = { std = 1.0, bias = 0.5 }"#;
    let network = Network::new(&NetworkSpec::from_toml("flat", toml).unwrap(), 1, &Device::Cpu)?;
    let images = wave(&[2, 3, 4, 5], 0.7)?;
    let weight = &network.tensors()?["fc.weight"];
    let want = images.flatten_from(1)?.matmul(&weight.t()?)?.affine(1.0, 0.5)?;
    assert!(close(&network.forward(&images, Mode::Test)?, &want)?);
    Ok(())
}

#[test]
fn first_values_have_the_spread_they_are_given() -> Result<()> {
    let network = Network::new(&NetworkSpec::preset("demo").unwrap(), 1, &Device::Cpu)?;
    let tensors = network.tensors()?;
    for (name, std) in [("conv1.weight", 0.01), ("conv3.weight", 0.06), ("fc6.weight", 0.045)] {
        let w = tensors[name].flatten_all()?;
        let n = w.elem_count() as f64;
        let mean = f64::from(w.mean_all()?.to_scalar::<f32>()?);
        let variance = f64::from(w.sqr()?.mean_all()?.to_scalar::<f32>()?);
        assert!(mean.abs() < 5.0 * std / n.sqrt(), "{name}: mean {mean}");
        // The spread of a sample variance of normals is √(2/n).
        assert!(
            (variance / (std * std) - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
            "{name}: {variance}"
        );
    }
    Ok(())
}

#[test]
fn wrong_weights_and_images_are_refused_by_name() -> Result<()> {
    let network = Network::new(&toy(), 1, &Device::Cpu)?;
    let mut tensors = network.tensors()?;
    tensors.remove("conv2.bias");
    let error = Network::from_tensors(&toy(), &tensors).unwrap_err().to_string();
    assert!(error.contains("conv2.bias"), "{error}");
    let mut tensors = network.tensors()?;
    tensors.insert("fc7.weight".into(), wave(&[8, 5], 0.1)?);
    let error = Network::from_tensors(&toy(), &tensors).unwrap_err().to_string();
    assert!(error.contains("fc7.weight") && error.contains("[5, 8]"), "{error}");
    let error = network.forward(&wave(&[1, 3, 12, 11], 0.1)?, Mode::Test).unwrap_err().to_string();
    assert!(error.contains("[3, 13, 11]"), "{error}");
    Ok(())
}

/// For people who train with candle's own means: variables of a `VarMap`, candle's gradients and
/// optimizer.
#[test]
fn candles_own_optimizer_trains_it() -> Result<()> {
    let variables = VarMap::new();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let network = Network::from_var_builder(&toy(), &builder)?;
    for (name, first) in Network::new(&toy(), 1, &Device::Cpu)?.tensors()? {
        variables.data().lock().unwrap()[&name].set(&first)?;
    }
    let images = wave(&[4, 3, 13, 11], 0.7)?;
    let labels = Tensor::new(&[0u32, 1, 2, 3], &Device::Cpu)?;
    let mut optimizer = SGD::new(variables.all_vars(), 0.15)?;
    let mut losses = Vec::new();
    for _ in 0..120 {
        // Weights are turned to channels-last when a network is made: it is made anew after each
        // step.
        let network = Network::from_var_builder(&toy(), &builder)?;
        let loss = candle_nn::loss::cross_entropy(&network.forward(&images, Mode::Test)?, &labels)?;
        optimizer.backward_step(&loss)?;
        losses.push(loss.to_scalar::<f32>()?);
    }
    assert!(losses[119] < 0.75 * losses[0], "{losses:?}");
    assert_eq!(network.parameters().count(), variables.all_vars().len());
    Ok(())
}
