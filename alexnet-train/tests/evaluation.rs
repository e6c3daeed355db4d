//! Error rates of a network whose probabilities are known: classes that tie share the places left.

#[allow(dead_code)] // nothing is trained here
mod common;

use std::fs;

use alexnet_data::{Dataset, PrepareOptions, Source, Views, prepare};
use alexnet_model::{Network, NetworkSpec};
use alexnet_train::{ComputeDevice, Error, Evaluation, InputStage, evaluate};
use candle_core::{Device, Tensor};
use common::{dataset, recipe};

/// One linear layer. With weights of 0 its biases are the logits of every image.
const NETWORK: &str = r#"
name = "biases"
input = [3, 16, 16]
layers = [{ name = "fc", kind = "linear", outputs = 10, init = { std = 0.1, bias = 0.0 } }]
"#;

/// Evaluates a network with the same `logits` for every image.
fn evaluated(data: &Dataset, logits: [f32; 10]) -> Result<Evaluation, Error> {
    let spec = NetworkSpec::from_toml("biases", NETWORK).unwrap();
    let mut network = Network::new(&spec, 1, &Device::Cpu).unwrap();
    let weights = network.parameters().next().unwrap().tensor.zeros_like().unwrap();
    network.replace_parameter(0, weights).unwrap();
    network.replace_parameter(1, Tensor::new(&logits, &Device::Cpu).unwrap()).unwrap();
    let (split, mean) = (data.split("val").unwrap(), &data.manifest().statistics.mean_image);
    let size = [split.height(), split.width()];
    let device = ComputeDevice::cpu();
    let input = InputStage::new(&recipe(&[]).input, mean, size, [16, 16], &device).unwrap();
    let mut seen = Vec::new();
    let score = evaluate(&network, split, &[input], Views::Ten, 1, &mut |n| seen.push(n))?;
    assert_eq!(seen, [split.len()]);
    assert_eq!((score.images, score.views), (split.len(), 10));
    Ok(score)
}

#[test]
fn ties_share_the_places_left() {
    let folder = tempfile::tempdir().unwrap();
    let images = dataset(folder.path(), 1, 3);
    let all = Dataset::open(&images).unwrap();
    let score = evaluated(&all, [0.0; 10]).unwrap();
    assert_eq!((score.top1_error, score.top5_error), (90.0, 50.0));
    assert!((score.loss - 10f64.ln()).abs() < 1e-6, "{}", score.loss);
    // A network that has diverged has no error rates.
    for value in [f32::NAN, f32::INFINITY] {
        assert!(matches!(evaluated(&all, [value; 10]), Err(Error::Outputs)));
    }

    // All validation images are of class 3 now.
    let name = all.manifest().classes[3].name.clone();
    let val = folder.path().join("images/val");
    for entry in fs::read_dir(&val).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_name().to_str() != Some(&name) {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    let (images, output) = (folder.path().join("images"), folder.path().join("one class"));
    let options = PrepareOptions::new(Source::Folder, images, &output);
    prepare(&PrepareOptions { size: 48, ..options }, &|_| ()).unwrap();
    let one = Dataset::open(&output).unwrap();
    for (high, errors) in [
        (&[3][..], [0.0, 0.0]),
        (&[3, 7], [50.0, 0.0]),
        (&[7], [100.0, 100.0 * (1.0 - 4.0 / 9.0)]),
        (&[0, 1, 2, 7], [100.0, 100.0 * (1.0 - 1.0 / 6.0)]),
        (&[0, 1, 2, 7, 9], [100.0, 100.0]),
    ] {
        let logits = std::array::from_fn(|class| if high.contains(&class) { 5.0 } else { 0.0 });
        let score = evaluated(&one, logits).unwrap();
        for (got, want) in [score.top1_error, score.top5_error].iter().zip(errors) {
            assert!((got - want).abs() < 1e-9, "{high:?}: {score:?}, expected {errors:?}");
        }
    }
}
