//! The network as a whole: its own backward walk against candle's, first values, layouts.

use std::collections::HashMap;

use alexnet_model::{Mode, Network, NetworkSpec};
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{Optimizer, SGD, VarBuilder, VarMap};

/// Every kind of layer, small, with constants strong enough that a wrong term shows.
const SMALL: &str = r#"
name = "small"
input = [3, 13, 11]
towers = 2
layers = [
  { name = "conv1", kind = "conv", filters = 8, kernel = 3, stride = 2, pad = [0, 1, 0, 2], init = { std = 0.4, bias = 0.1 } },
  { name = "lrn1", kind = "lrn", n = 3, alpha = 2.0, beta = 0.75, k = 1.0, towers = 2 },
  { name = "pool1", kind = "max-pool", kernel = 3, stride = 2, ceil = true },
  { name = "relu1", kind = "relu" },
  { name = "conv2", kind = "conv", filters = 6, kernel = 3, pad = [1, 1, 1, 1], groups = 2, init = { std = 0.4, bias = 0.1 } },
  { name = "relu2", kind = "relu" },
  { name = "norm2", kind = "map-norm", n = 3, alpha = 2.0, beta = 0.75, k = 1.0 },
  { name = "fc3", kind = "linear", outputs = 7, init = { std = 0.3, bias = 0.1 } },
  { name = "relu3", kind = "relu" },
  { name = "drop3", kind = "dropout", keep = 0.5, scale = "at-test" },
  { name = "fc4", kind = "linear", outputs = 4, init = "fan-in" },
]
"#;

fn small() -> NetworkSpec {
    NetworkSpec::from_toml("small", SMALL).unwrap()
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
fn the_walk_agrees_with_candles_gradients() -> Result<()> {
    let mode = Mode::Train { seed: 5, step: 9 };
    let mut network = Network::new(&small(), 3, &Device::Cpu)?;
    let images = wave(&[3, 3, 13, 11], 0.7)?;
    let weights = wave(&[3, 4], 1.9)?; // the loss is Σ logits · weights

    let mut walked = HashMap::new();
    let tape = network.forward_tape(&images, mode)?;
    let logits = tape.logits().clone();
    network.backward(tape, weights.clone(), &mut |index, gradient| {
        walked.insert(index, gradient.clone());
        Ok(())
    })?;

    let variables: Vec<Var> =
        network.parameters().iter().map(|p| Var::from_tensor(&p.tensor)).collect::<Result<_>>()?;
    for (index, variable) in variables.iter().enumerate() {
        network.replace_parameter(index, variable.as_tensor().clone())?;
    }
    let by_candle = network.forward(&images, mode)?;
    assert!(close(&logits, &by_candle)?);
    let store = (&by_candle * &weights)?.sum_all()?.backward()?;
    assert_eq!(walked.len(), variables.len());
    for (index, variable) in variables.iter().enumerate() {
        let name = &network.parameters()[index].name;
        let want = store.get(variable).unwrap_or_else(|| panic!("no gradient of {name}"));
        assert!(want.abs()?.sum_all()?.to_scalar::<f32>()? > 0.0, "{name}: gradient is zero");
        assert!(close(&walked[&index], want)?, "{name}");
    }
    Ok(())
}

#[test]
fn same_seed_same_network_and_other_seed_another() -> Result<()> {
    let logits = |seed| -> Result<Vec<Vec<f32>>> {
        let network = Network::new(&small(), seed, &Device::Cpu)?;
        network.forward(&wave(&[2, 3, 13, 11], 0.7)?, Mode::Test)?.to_vec2()
    };
    assert_eq!(logits(1)?, logits(1)?);
    assert_ne!(logits(1)?, logits(2)?);
    Ok(())
}

#[test]
fn dropout_is_a_function_of_seed_and_step() -> Result<()> {
    let network = Network::new(&small(), 1, &Device::Cpu)?;
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
    let network = Network::new(&small(), 1, &Device::Cpu)?;
    let tensors = network.tensors()?;
    assert_eq!(tensors["conv2.weight"].dims(), [6, 4, 3, 3]);
    assert_eq!(tensors["fc3.weight"].dims(), [7, 6 * 3 * 3]);
    let again = Network::from_tensors(&small(), &tensors)?;
    let images = wave(&[2, 3, 13, 11], 0.7)?;
    let run = |n: &Network| n.forward(&images, Mode::Test)?.to_vec2::<f32>();
    assert_eq!(run(&network)?, run(&again)?);
    Ok(())
}

/// The first dense layer reads a map in channel, row, column order, as PyTorch's flatten does.
#[test]
fn dense_layers_over_maps_have_pytorchs_order() -> Result<()> {
    let toml = r#"name = "flat"
        input = [3, 4, 5]
        layers = [{ name = "fc", kind = "linear", outputs = 2, init = { std = 1.0, bias = 0.5 } }]"#;
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
    let network = Network::new(&small(), 1, &Device::Cpu)?;
    let mut tensors = network.tensors()?;
    tensors.remove("conv2.bias");
    let error = Network::from_tensors(&small(), &tensors).unwrap_err().to_string();
    assert!(error.contains("conv2.bias"), "{error}");
    let mut tensors = network.tensors()?;
    tensors.insert("fc4.weight".into(), wave(&[5, 7], 0.1)?);
    let error = Network::from_tensors(&small(), &tensors).unwrap_err().to_string();
    assert!(error.contains("fc4.weight") && error.contains("[4, 7]"), "{error}");
    let error = network.forward(&wave(&[1, 3, 12, 11], 0.1)?, Mode::Test).unwrap_err().to_string();
    assert!(error.contains("[3, 13, 11]"), "{error}");
    Ok(())
}

/// For people who train with candle's own means: variables of a `VarMap`, candle's gradients and optimizer.
#[test]
fn candles_own_optimizer_trains_it() -> Result<()> {
    let variables = VarMap::new();
    let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let network = Network::from_var_builder(&small(), &builder)?;
    for (name, first) in Network::new(&small(), 1, &Device::Cpu)?.tensors()? {
        variables.data().lock().unwrap()[&name].set(&first)?;
    }
    let images = wave(&[4, 3, 13, 11], 0.7)?;
    let labels = Tensor::new(&[0u32, 1, 2, 3], &Device::Cpu)?;
    let mut optimizer = SGD::new(variables.all_vars(), 0.3)?;
    let mut losses = Vec::new();
    for _ in 0..60 {
        // Weights are turned to channels-last when a network is made: it is made anew after each step.
        let network = Network::from_var_builder(&small(), &builder)?;
        let loss = candle_nn::loss::cross_entropy(&network.forward(&images, Mode::Test)?, &labels)?;
        optimizer.backward_step(&loss)?;
        losses.push(loss.to_scalar::<f32>()?);
    }
    assert!(losses[59] < 0.75 * losses[0], "{losses:?}");
    assert_eq!(network.parameters().len(), variables.all_vars().len());
    Ok(())
}
