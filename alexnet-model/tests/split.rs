//! A network split over two devices is the network on one: the same parameters, and numbers that agree to rounding.

use std::collections::HashMap;

use alexnet_kernels::{KeepMemory, normals};
use alexnet_model::{Layers, Mode, Network, NetworkSpec, PlacedNetwork, SpecError};
use candle_core::{D, DType, Device, Result, Tensor};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

/// Sizes of a network that has every kind of layer, in every place where it can stand.
#[derive(Debug, Clone)]
struct Sizes {
    image: [usize; 3],
    filters: [usize; 4],
    /// Groups of the second convolution, times two.
    groups: usize,
    outputs: [usize; 3],
    towers: usize,
}

impl Sizes {
    fn toml(&self) -> String {
        let Self { image, filters: [a, b, c, d], groups, outputs: [e, f, g], towers: t } = self;
        let (a, b, c, d, groups) = (a * t, b * t * groups, c * t, d * t, groups * t);
        let a = a * groups;
        format!(
            r#"name = "split"
            input = {image:?}
            towers = {t}
            layers = [
              {{ name = "conv1", kind = "conv", filters = {a}, kernel = 3, stride = 2, pad = [0, 1, 0, 2], init = {{ std = 0.4, bias = 0.1 }} }},
              {{ name = "lrn1", kind = "lrn", n = 3, alpha = 2.0, beta = 0.75, k = 1.0, towers = {t} }},
              {{ name = "pool1", kind = "max-pool", kernel = 3, stride = 2, ceil = true }},
              {{ name = "relu1", kind = "relu" }},
              {{ name = "conv2", kind = "conv", filters = {b}, kernel = 3, pad = [1, 1, 1, 1], groups = {groups}, init = {{ std = 0.4, bias = 0.1 }} }},
              {{ name = "relu2", kind = "relu" }},
              {{ name = "norm2", kind = "map-norm", n = 3, alpha = 2.0, beta = 0.75, k = 1.0 }},
              {{ name = "drop2", kind = "dropout", keep = 0.7, scale = "at-training" }},
              {{ name = "conv3", kind = "conv", filters = {c}, kernel = 3, pad = [1, 1, 1, 1], init = {{ std = 0.3, bias = 0.1 }} }},
              {{ name = "relu3", kind = "relu" }},
              {{ name = "conv4", kind = "conv", filters = {d}, kernel = 3, pad = [1, 1, 1, 1], init = {{ std = 0.3, bias = 0.1 }} }},
              {{ name = "pool4", kind = "max-pool", kernel = 2, stride = 2, ceil = true }},
              {{ name = "relu4", kind = "relu" }},
              {{ name = "fc5", kind = "linear", outputs = {e}, init = {{ std = 0.3, bias = 0.1 }} }},
              {{ name = "relu5", kind = "relu" }},
              {{ name = "drop5", kind = "dropout", keep = 0.5, scale = "at-test" }},
              {{ name = "fc6", kind = "linear", outputs = {f}, init = {{ std = 0.3, bias = 0.1 }} }},
              {{ name = "drop6", kind = "dropout", keep = 0.6, scale = "at-test" }},
              {{ name = "relu6", kind = "relu" }},
              {{ name = "fc7", kind = "linear", outputs = {g}, init = "fan-in" }},
            ]"#
        )
    }

    fn spec(&self) -> NetworkSpec {
        NetworkSpec::from_toml("split", &self.toml()).unwrap()
    }
}

fn sizes() -> impl Strategy<Value = Sizes> {
    let image = (1..4usize, 9..16usize, 9..16usize).prop_map(|(c, h, w)| [c, h, w]);
    let filters = prop::array::uniform4(1..5usize);
    // Outputs that do not divide evenly too.
    (image, filters, 1..3usize, prop::array::uniform3(3..12usize), 2..4usize).prop_map(
        |(image, filters, groups, outputs, towers)| Sizes {
            image,
            filters,
            groups,
            outputs,
            towers,
        },
    )
}

fn some() -> Sizes {
    Sizes { image: [3, 13, 11], filters: [2, 3, 4, 3], groups: 1, outputs: [9, 8, 5], towers: 2 }
}

/// With first values from `seed`, on so many devices that are all the processor.
fn placed(spec: &NetworkSpec, seed: u64, devices: usize) -> Result<PlacedNetwork> {
    let network = Network::new(spec, seed, &Device::Cpu)?;
    PlacedNetwork::new(&network, devices)?.on(&vec![Device::Cpu; devices], DType::F32)
}

/// All parameters by name, in PyTorch's layout.
fn tensors(network: &PlacedNetwork) -> Result<HashMap<String, Tensor>> {
    let values: Vec<Tensor> = network.parameters().map(|p| p.tensor.clone()).collect();
    network.disk_tensors(&values)
}

fn random(shape: &[usize], stream: u64) -> Result<Tensor> {
    Tensor::from_vec(normals(9, stream, 1.0, shape.iter().product()), shape, &Device::Cpu)
}

/// How far `a` is from `b`, by the largest number of `b`.
fn distance(a: &Tensor, b: &Tensor) -> Result<f32> {
    let largest = |x: &Tensor| x.abs()?.flatten_all()?.max(D::Minus1)?.to_scalar::<f32>();
    Ok(largest(&(a - b)?)? / largest(b)?.max(1e-30))
}

/// Sums of so few numbers as here, each rounded to 2⁻²⁴ in another order.
const ROUNDING: f32 = 2e-5;

/// Logits, and the gradients of Σ logits · weights by every parameter, by name.
fn pass(network: &PlacedNetwork, images: &Tensor, mode: Mode) -> Result<HashMap<String, Tensor>> {
    let _memory = KeepMemory::new(); // what is given back too early would show
    let images = vec![images.clone(); network.towers().len()];
    let tape = network.forward_tape(&images, mode)?;
    let logits = tape.logits().copy()?;
    let mut gradients: Vec<Option<Tensor>> = network.parameters().map(|_| None).collect();
    network.backward(tape, random(logits.dims(), 2)?, &mut |index, gradient| {
        assert!(gradients[index].is_none(), "two gradients of parameter {index}");
        gradients[index] = Some(gradient.force_contiguous()?);
        Ok(())
    })?;
    let gradients: Option<Vec<Tensor>> = gradients.into_iter().collect();
    let mut all = network.disk_tensors(&gradients.expect("a gradient of every parameter"))?;
    assert!(distance(&network.forward(&images, mode)?, &logits)? == 0.0);
    all.insert("logits".to_owned(), logits);
    Ok(all)
}

fn agree(spec: &NetworkSpec, batch: usize) -> Result<()> {
    let [c, h, w] = spec.input;
    let images = random(&[batch, c, h, w], 1)?;
    let one = placed(spec, 3, 1)?;
    let split = placed(spec, 3, spec.towers)?;
    assert_eq!(split.towers().len(), spec.towers);
    for mode in [Mode::Test, Mode::Train { seed: 5, step: 9 }] {
        let (want, got) = (pass(&one, &images, mode)?, pass(&split, &images, mode)?);
        assert_eq!(want.len(), got.len());
        for (name, want) in &want {
            let distance = distance(&got[name], want)?;
            assert!(distance <= ROUNDING, "{mode:?}, {name}: {distance}\n{spec:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 24, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_split_agrees_with_the_whole(sizes in sizes(), batch in 1..4usize) {
        agree(&sizes.spec(), batch).unwrap();
    }
}

#[test]
fn the_split_demo_agrees_with_the_whole() -> Result<()> {
    agree(&NetworkSpec::preset("demo").unwrap(), 4)
}

/// First values and what is written to disk are the same to the bit, wherever the network is.
#[test]
fn parameters_are_those_of_the_whole() -> Result<()> {
    let spec = some().spec();
    let whole = Network::new(&spec, 3, &Device::Cpu)?.tensors()?;
    let split = placed(&spec, 3, 2)?;
    let bits = |t: &Tensor| -> Result<Vec<u32>> {
        Ok(t.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
    };
    let again = PlacedNetwork::new(&Network::from_tensors(&spec, &tensors(&split)?)?, 2)?;
    for network in [split, again] {
        let tensors = tensors(&network)?;
        assert_eq!(tensors.len(), whole.len());
        for (name, want) in &whole {
            assert_eq!(tensors[name].dims(), want.dims(), "{name}");
            assert_eq!(bits(&tensors[name])?, bits(want)?, "{name}");
        }
        for (index, parameter) in network.parameters().enumerate() {
            let part = network.memory_layout(index, &whole[&parameter.name])?;
            assert_eq!(distance(&part, &parameter.tensor)?, 0.0, "{}", parameter.name);
        }
    }
    Ok(())
}

#[test]
fn activations_cross_where_the_paper_says() {
    for name in ["original", "paper", "demo"] {
        let spec = NetworkSpec::preset(name).unwrap();
        let whole = Layers::new(&spec).unwrap();
        let towers: Vec<Layers> =
            (0..spec.towers).map(|number| Layers::of_tower(&spec, number).unwrap()).collect();
        for tower in &towers {
            assert_eq!(tower.crossings(), ["conv3", "fc6", "fc7", "fc8"], "{name}");
        }
        let (tables, table) = (towers.iter().map(Layers::table), whole.table());
        assert_eq!(tables.clone().map(|t| t.parameters).sum::<u64>(), table.parameters);
        assert_eq!(tables.map(|t| t.macs).sum::<u64>(), table.macs);
        assert!(whole.crossings().is_empty());
    }
}

#[test]
fn what_does_not_divide_is_refused_by_name() {
    let refused = |from: &str, to: &str, layer: &str, says: &str| {
        let toml = some().toml();
        assert!(toml.contains(from), "{from}");
        let spec = NetworkSpec::from_toml("split", &toml.replace(from, to)).unwrap();
        let error = Layers::of_tower(&spec, 0).unwrap_err();
        assert!(
            matches!(&error, SpecError::Layer { layer: found, .. } if found == layer),
            "{error}"
        );
        let error = error.to_string();
        assert!(error.contains(says) && error.contains("split over 2 devices"), "{error}");
    };
    refused("k = 1.0, towers = 2", "k = 1.0, towers = 1", "lrn1", "towers = 1");
    refused("outputs = 5", "outputs = 1", "fc7", "1 output");
    refused(
        r#""conv3", kind = "conv", filters = 8"#,
        r#""conv3", kind = "conv", filters = 7"#,
        "conv3",
        "7 channels",
    );
    let sixth = r#"filters = 6, kernel = 3, pad = [1, 1, 1, 1], groups = 2"#;
    let toml = some().toml();
    assert!(toml.contains(sixth), "{toml}");
    let three = Sizes { filters: [3, 3, 4, 3], ..some() }
        .toml()
        .replace(sixth, &sixth.replace("groups = 2", "groups = 3"));
    let spec = NetworkSpec::from_toml("split", &three).unwrap();
    let error = Layers::of_tower(&spec, 0).unwrap_err().to_string();
    assert!(error.contains("`conv2`: its 3 groups"), "{error}");
    // A first layer that sees a part of the image.
    let pool = r#"{ name = "pool0", kind = "max-pool", kernel = 2, stride = 1 },
              { name = "conv1""#;
    let spec = NetworkSpec::from_toml("split", &toml.replace(r#"{ name = "conv1""#, pool));
    let error = Layers::of_tower(&spec.unwrap(), 0).unwrap_err().to_string();
    assert!(error.contains("`pool0`: its 3 channels"), "{error}");
    let spec = NetworkSpec::from_toml(
        "split",
        &toml.replace(r#"{ name = "conv1""#, pool).replace("[3, 13, 11]", "[4, 13, 11]"),
    );
    let error = Layers::of_tower(&spec.unwrap(), 0).unwrap_err().to_string();
    assert!(error.contains("`pool0`: it does not read the whole of an image"), "{error}");
}

#[test]
fn other_numbers_of_devices_and_images_are_refused() -> Result<()> {
    let says = |spec: &NetworkSpec, devices| {
        assert!(PlacedNetwork::check(spec, devices).is_err());
        placed(spec, 1, devices).unwrap_err().to_string()
    };
    assert!(says(&some().spec(), 3).contains("network `split` has 2 tower(s), but 3 devices"));
    assert!(says(&some().spec(), 0).contains("0 devices"));
    let caffe = NetworkSpec::preset("caffe").unwrap();
    assert!(says(&caffe, 2).contains("network `caffe` has 1 tower(s), but 2 devices"));
    let split = placed(&some().spec(), 1, 2)?;
    let images = random(&[1, 3, 13, 11], 1)?;
    let error = split.forward(&[images], Mode::Test).unwrap_err().to_string();
    assert!(error.contains("images for 1 devices, but network `split` is on 2"), "{error}");
    let none = |network: &PlacedNetwork| network.clone().replace_parameter(99, random(&[1], 1)?);
    assert!(none(&split).unwrap_err().to_string().contains("has no tower"));
    Ok(())
}
