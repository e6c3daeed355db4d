//! Gradients of the loss: PyTorch's for a network of most kinds of layers, a computation by hand
//! over several batches, and what is refused.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use alexnet_data::{Crop, Exif, Pixels, Preprocessing, Resample, write_png};
use alexnet_model::{Network, NetworkSpec};
use alexnet_train::{
    ComputeDevice, Error, FeatureImages, Gradients, ImageSource, InputRecipe, InputStage, Mean,
    gradients,
};
use candle_core::{DType, Device, Tensor};

/// That of golden/gradients.py.
const GOLDEN: &str = r#"
name = "golden"
input = [3, 13, 13]
layers = [
  { name = "conv1", kind = "conv", filters = 8, kernel = 3, stride = 2, pad = [0, 1, 2, 1], INIT },
  { name = "relu1", kind = "relu" },
  { name = "lrn1", kind = "lrn", n = 3, alpha = 0.9, beta = 0.75, k = 1.5 },
  { name = "pool1", kind = "max-pool", kernel = 3, stride = 2, ceil = true },
  { name = "drop1", kind = "dropout", keep = 0.7, scale = "at-test" },
  { name = "conv2", kind = "conv", filters = 6, kernel = 3, pad = [1, 1, 1, 1], groups = 2, INIT },
  { name = "relu2", kind = "relu" },
  { name = "fc3", kind = "linear", outputs = 7, INIT },
  { name = "tanh3", kind = "tanh" },
  { name = "drop3", kind = "dropout", keep = 0.5, scale = "at-training" },
  { name = "fc4", kind = "linear", outputs = 5, INIT },
]
"#;

/// One dense layer: its gradient is soon computed by hand.
const FLAT: &str = r#"
name = "flat"
input = [3, 2, 2]
layers = [{ name = "fc1", kind = "linear", outputs = 4, INIT }]
"#;

/// Images of `side` × `side` pixels as files, and what makes the input of crops of them.
struct Images {
    _folder: tempfile::TempDir,
    files: Vec<ImageSource>,
    preprocessing: Preprocessing,
    inputs: Vec<InputStage>,
}

impl Images {
    /// `pixels` are of one image after the other, rows first.
    fn new(pixels: &[u8], side: usize, crop: usize, mean: [f32; 3], scale: [f32; 3]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |(n, pixels): (usize, &[u8])| {
            let path = folder.path().join(format!("{n}.png"));
            write_png(&path, &Pixels::new(side, side, pixels.to_vec())).unwrap();
            path.into()
        };
        let files = pixels.chunks(side * side * 3).enumerate().map(write).collect();
        let (resample, exif) = (Resample::Area, Exif::Ignore);
        let preprocessing =
            Preprocessing { height: side, width: side, resample, crop: Crop::Centre, exif };
        let recipe = InputRecipe { mean: Mean::CentreWindow, scale };
        let device = ComputeDevice::cpu();
        let (mean, crop) = (mean.repeat(side * side), [crop; 2]);
        let input = InputStage::new(&recipe, &mean, [side; 2], crop, &device).unwrap();
        Self { _folder: folder, files, preprocessing, inputs: vec![input] }
    }

    fn gradients(
        &self,
        network: &Network,
        labels: &[u32],
        threads: usize,
    ) -> Result<Gradients, Error> {
        let images = FeatureImages::Files(&self.files, self.preprocessing);
        gradients(network, images, labels, &self.inputs, threads)
    }
}

fn spec(toml: &str) -> NetworkSpec {
    NetworkSpec::from_toml("test", &toml.replace("INIT", r#"init = "fan-in""#)).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// `got` is as large as `want`, and as far from it as rounding of f32 explains.
#[track_caller]
fn close(name: &str, got: &[f64], want: &[f64]) {
    let largest = want.iter().fold(0f64, |most, value| most.max(value.abs()));
    let far = got.iter().zip(want).fold(0f64, |most, (a, b)| most.max((a - b).abs()));
    assert!(got.len() == want.len() && largest > 0.0, "{name}: {} {largest}", got.len());
    assert!(far <= 2e-6 * largest, "{name}: {far:e} of {largest:e}");
}

#[test]
fn they_are_pytorchs() {
    let file = Path::new("tests/golden/gradients.safetensors");
    let golden: HashMap<String, Tensor> =
        candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let pixels: Vec<u8> = golden["pixels"].flatten_all().unwrap().to_vec1().unwrap();
    let labels: Vec<u32> = golden["labels"].to_vec1().unwrap();
    let images = Images::new(&pixels, 17, 13, [110.0, 120.0, 100.0], [0.02, 0.025, 0.03]);
    let network = Network::from_tensors(&spec(GOLDEN), &golden).unwrap();
    let found = images.gradients(&network, &labels, 2).unwrap();
    close("loss", &[found.loss], &values(&golden["loss"]));
    assert_eq!(found.tensors.len(), 8);
    for (name, gradient) in &found.tensors {
        let want = &golden[&format!("gradient.{name}")];
        assert_eq!(gradient.dims(), want.dims(), "{name}");
        close(name, &values(gradient), &values(want));
    }
    // As a file they are the same.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.safetensors");
    found.write(&path, &BTreeMap::from([("loss".to_owned(), found.loss.to_string())])).unwrap();
    let read: BTreeMap<_, _> =
        candle_core::safetensors::load(&path, &Device::Cpu).unwrap().into_iter().collect();
    assert!(read.keys().eq(found.tensors.keys()));
    assert!(read.values().zip(found.tensors.values()).all(|(a, b)| values(a) == values(b)));
}

/// The mean of 300 images, which are three batches, is that of all of them; and the threads that
/// read them change no bit.
#[test]
fn they_are_of_the_mean_of_all_images() {
    const COUNT: usize = 300;
    let pixels: Vec<u8> = (0..COUNT * 12).map(|i| (i * i * 31 % 251) as u8).collect();
    let labels: Vec<u32> = (0..COUNT as u32).map(|i| i * 7 % 4).collect();
    let images = Images::new(&pixels, 2, 2, [100.0, 90.0, 80.0], [0.01; 3]);
    let network = Network::new(&spec(FLAT), 3, &Device::Cpu).unwrap();
    let tensors = network.tensors().unwrap();
    let (weight, bias) = (values(&tensors["fc1.weight"]), values(&tensors["fc1.bias"]));
    let (mut loss, mut weight_grad, mut bias_grad) = (0.0, vec![0.0; 4 * 12], vec![0.0; 4]);
    for (pixels, label) in pixels.chunks(12).zip(&labels) {
        // A column of the weights is a channel, a row and a column of the image.
        let x: Vec<f64> = (0..12)
            .map(|i| (f64::from(pixels[i % 4 * 3 + i / 4]) - [100.0, 90.0, 80.0][i / 4]) * 0.01)
            .collect();
        let logit =
            |k: usize| bias[k] + x.iter().zip(&weight[12 * k..]).map(|(x, w)| x * w).sum::<f64>();
        let exps = [0, 1, 2, 3].map(|k| logit(k).exp());
        let sum: f64 = exps.iter().sum();
        loss -= (exps[*label as usize] / sum).ln() / COUNT as f64;
        for k in 0..4 {
            let right = if k == *label as usize { 1.0 } else { 0.0 };
            let gradient = (exps[k] / sum - right) / COUNT as f64;
            bias_grad[k] += gradient;
            x.iter().zip(&mut weight_grad[12 * k..]).for_each(|(x, sum)| *sum += gradient * x);
        }
    }
    let found = images.gradients(&network, &labels, 1).unwrap();
    close("loss", &[found.loss], &[loss]);
    close("weight", &values(&found.tensors["fc1.weight"]), &weight_grad);
    close("bias", &values(&found.tensors["fc1.bias"]), &bias_grad);
    let threads = images.gradients(&network, &labels, 5).unwrap();
    assert_eq!(threads.loss.to_bits(), found.loss.to_bits());
    for (name, gradient) in &found.tensors {
        assert!(values(gradient) == values(&threads.tensors[name]), "{name}");
    }
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    let images = Images::new(&[7; 24], 2, 2, [0.0; 3], [1.0; 3]);
    let network = Network::new(&spec(FLAT), 3, &Device::Cpu).unwrap();
    let fails = |labels: &[u32], words: &str| {
        let error = images.gradients(&network, labels, 1).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    fails(&[1], "1 labels for 2 images");
    fails(&[], "0 labels for 2 images");
    fails(&[3, 4], "label 4: network `flat` tells 4 classes apart");
}
