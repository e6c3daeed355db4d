//! A network split over two devices is the network on one: the same parameters, and numbers that
//! agree to rounding.

mod common;

use std::collections::HashMap;

use alexnet_kernels::normals;
use alexnet_model::{FrozenLayers, FusedLayer, Mode, Network, NetworkSpec, SpecError};
use candle_core::{D, DType, Device, Result, Tensor};
use common::Sizes;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

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

/// With first values from `seed`, on so many devices that are all the processor.
fn placed(spec: &NetworkSpec, seed: u64, devices: usize) -> Result<Network> {
    Network::new(spec, seed, &Device::Cpu)?.to_devices(&vec![Device::Cpu; devices], DType::F32)
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

/// Logits, and the gradients of Σ logits · weights with respect to every parameter, by name.
fn pass(network: &Network, images: &Tensor, mode: Mode) -> Result<HashMap<String, Tensor>> {
    let tape = network.forward_tape(images, mode, FrozenLayers::NONE)?;
    let logits = tape.logits().copy()?;
    let mut gradients: Vec<Option<Tensor>> = network.parameters().map(|_| None).collect();
    network.backward(tape, random(logits.dims(), 2)?, &mut |index, gradient| {
        assert!(gradients[index].is_none(), "two gradients of parameter {index}");
        gradients[index] = Some(gradient.force_contiguous()?);
        Ok(())
    })?;
    let gradients: Option<Vec<Tensor>> = gradients.into_iter().collect();
    let mut all = network.named(&gradients.expect("a gradient of every parameter"))?;
    let each = vec![images.clone(); network.towers().len()];
    assert!(distance(&network.forward(&each[..], mode)?, &logits)? == 0.0);
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
    #![proptest_config(Config {
        cases: 24,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..Config::default()
    })]

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
    let spec = Sizes::TOY.spec();
    let whole = Network::new(&spec, 3, &Device::Cpu)?.tensors()?;
    let split = placed(&spec, 3, 2)?;
    let bits = |t: &Tensor| -> Result<Vec<u32>> {
        Ok(t.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
    };
    let again = split.to_devices(&[Device::Cpu, Device::Cpu], DType::F32)?;
    let back = split.to_devices(&[Device::Cpu], DType::F32)?;
    for network in [split, again, back] {
        let tensors = network.tensors()?;
        assert_eq!(tensors.len(), whole.len());
        for (name, want) in &whole {
            assert_eq!(tensors[name].dims(), want.dims(), "{name}");
            assert_eq!(bits(&tensors[name])?, bits(want)?, "{name}");
        }
        for parameter in network.parameters() {
            let part = parameter.memory_layout(&whole[&parameter.name])?;
            assert_eq!(distance(&part, &parameter.tensor)?, 0.0, "{}", parameter.name);
        }
    }
    Ok(())
}

#[test]
fn activations_cross_where_the_paper_says() {
    for name in ["original", "no-overlap", "no-lrn", "demo"] {
        let spec = NetworkSpec::preset(name).unwrap();
        let towers = spec.fused_layers_on(2).unwrap();
        for tower in &towers {
            let gathering = tower.iter().filter(|layer| layer.all_gather);
            let names: Vec<_> = gathering.map(|layer| layer.name.as_str()).collect();
            assert_eq!(names, ["conv3", "fc6", "fc7", "fc8"], "{name}");
        }
        let whole = spec.fused_layers().unwrap();
        for count in [FusedLayer::parameter_count, FusedLayer::multiply_adds] {
            let parts = towers.iter().flatten().map(count).sum::<u64>();
            assert_eq!(parts, whole.iter().map(count).sum::<u64>(), "{name}");
        }
        assert!(!whole.iter().any(|layer| layer.all_gather));
    }
}

#[test]
fn what_does_not_divide_is_refused_by_name() {
    let refused = |from: &str, to: &str, layer: &str, says: &str| {
        let toml = Sizes::TOY.toml();
        assert!(toml.contains(from), "{from}");
        let spec = NetworkSpec::from_toml("toy", &toml.replace(from, to)).unwrap();
        let error = spec.fused_layers_on(2).unwrap_err();
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
    let spec = NetworkSpec { towers: 2, ..Sizes::TOY.spec_with_local() };
    let error = spec.fused_layers_on(2).unwrap_err().to_string();
    assert!(error.contains("`conv3`: the weights of a local layer do not divide"), "{error}");
    let sixth = r#"filters = 6, kernel = 3, pad = [1, 1, 1, 1], groups = 2"#;
    let toml = Sizes::TOY.toml();
    assert!(toml.contains(sixth), "{toml}");
    let three = Sizes { filters: [3, 3, 4, 3], ..Sizes::TOY }
        .toml()
        .replace(sixth, &sixth.replace("groups = 2", "groups = 3"));
    let spec = NetworkSpec::from_toml("toy", &three).unwrap();
    let error = spec.fused_layers_on(2).unwrap_err().to_string();
    assert!(error.contains("`conv2`: its 3 groups"), "{error}");
    // A first layer that sees a part of the image.
    let pool = r#"{ name = "pool0", kind = "max-pool", kernel = 2, stride = 1 },
              { name = "conv1""#;
    let spec = NetworkSpec::from_toml("toy", &toml.replace(r#"{ name = "conv1""#, pool));
    let error = spec.unwrap().fused_layers_on(2).unwrap_err().to_string();
    assert!(error.contains("`pool0`: its 3 channels"), "{error}");
    let spec = NetworkSpec::from_toml(
        "toy",
        &toml.replace(r#"{ name = "conv1""#, pool).replace("[3, 13, 11]", "[4, 13, 11]"),
    );
    let error = spec.unwrap().fused_layers_on(2).unwrap_err().to_string();
    assert!(error.contains("`pool0`: it does not read the whole of an image"), "{error}");
}

#[test]
fn other_numbers_of_devices_and_images_are_refused() -> Result<()> {
    let says = |spec: &NetworkSpec, devices| {
        assert!(spec.fused_layers_on(devices).is_err());
        placed(spec, 1, devices).unwrap_err().to_string()
    };
    assert!(says(&Sizes::TOY.spec(), 3).contains("network `toy` has 2 tower(s), but 3 devices"));
    assert!(says(&Sizes::TOY.spec(), 0).contains("0 devices"));
    let caffe = NetworkSpec::preset("caffe").unwrap();
    assert!(says(&caffe, 2).contains("network `caffe` has 1 tower(s), but 2 devices"));
    let paper = NetworkSpec::preset("paper").unwrap();
    assert!(says(&paper, 2).contains("`lrn1`") && says(&paper, 2).contains("edges of towers"));
    let split = placed(&Sizes::TOY.spec(), 1, 2)?;
    let images = random(&[1, 3, 13, 11], 1)?;
    let error = split.forward(&[images][..], Mode::Test).unwrap_err().to_string();
    assert!(error.contains("images for 1 devices, but network `toy` is on 2"), "{error}");
    let none = split.clone().replace_parameter(99, random(&[1], 1)?);
    assert!(none.unwrap_err().to_string().contains("has no parameter 99"));
    Ok(())
}
