//! A network with weights of a seed, and what it says of seeded pictures.

use std::collections::HashMap;
use std::path::Path;

use alexnet_data::{Batch, Crop, Exif, Pixels, Preprocessing, Resample, Views, test_views};
use alexnet_kernels::normals;
use alexnet_model::{LayerKind, Mode, Network, NetworkSpec};
use alexnet_train::{Checkpoint, ComputeDevice, Description, Recipe};
use candle_core::{Device, Tensor};

/// The most images that a case has.
pub(crate) const IMAGES: usize = 3;

/// Weights and pictures.
pub(crate) struct Case {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) network: Network,
    pictures: Vec<Pixels>,
}

impl Case {
    /// The preset `name` with weights that keep activations level, so that every norm is far from
    /// linear; biases differ from one another.
    pub(crate) fn preset(name: &str) -> Self {
        Self::new(NetworkSpec::preset(name).unwrap(), Recipe::preset(name, &[]).unwrap())
    }

    /// The network `spec` with such weights and the input of `recipe`.
    pub(crate) fn new(spec: NetworkSpec, recipe: Recipe) -> Self {
        let tensors = weights(&spec);
        let [_, h, w] = spec.input;
        let stored = spec.stored.unwrap_or(h.max(w));
        let preprocessing = Preprocessing {
            height: stored,
            width: stored,
            resample: Resample::Area,
            crop: Crop::Centre,
            exif: Exif::Ignore,
        };
        let mean = normals(1, 7, 20.0, stored * stored * 3).into_iter().map(|x| 120.0 + x);
        let mean = Tensor::from_vec(mean.collect(), (stored, stored, 3), &Device::Cpu).unwrap();
        let network = Network::from_tensors(&spec, &tensors).unwrap();
        let classes = (0..spec.classes().unwrap()).map(|class| format!("class {class}")).collect();
        let description = Description { network: spec, recipe, classes, preprocessing };
        let picture = |number: u64| {
            let values = normals(2, number, 60.0, stored * stored * 3).into_iter();
            Pixels::new(
                stored,
                stored,
                values.map(|x| (120.0 + x).clamp(0.0, 255.0) as u8).collect(),
            )
        };
        Self {
            checkpoint: Checkpoint::new(description, tensors, mean),
            network,
            pictures: (0..IMAGES as u64).map(picture).collect(),
        }
    }

    /// What the network takes, `(B, 3, h, w)`: the centre crops of the pictures.
    pub(crate) fn images(&self) -> Tensor {
        let compute = ComputeDevice::cpu();
        let input = self.checkpoint.input(Path::new("case"), &compute).unwrap();
        input.run(&self.batch(), 1.0).unwrap()
    }

    /// The centre crops of the pictures, in bytes.
    pub(crate) fn batch(&self) -> Batch {
        let [_, h, w] = self.checkpoint.network.input;
        let stored = [self.checkpoint.preprocessing.height; 2];
        let views = test_views(stored, [h, w], Views::One).unwrap();
        let mut batch = Batch::new();
        batch.fill_images(&self.pictures, [h, w], &views).unwrap();
        batch
    }

    /// What it says of them, `(B, classes)`.
    pub(crate) fn logits(&self) -> Tensor {
        self.network.forward(&self.images(), Mode::Test).unwrap()
    }

    /// The pictures, `(B, 3, H, W)`, for programs that take such.
    pub(crate) fn pictures(&self) -> Tensor {
        let side = self.checkpoint.preprocessing.height;
        let bytes = self.pictures.iter().flat_map(|picture| picture.data.clone()).collect();
        let pictures = Tensor::from_vec(bytes, (IMAGES, side, side, 3), &Device::Cpu).unwrap();
        pictures.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap()
    }

    /// Writes images, pictures and logits as a safetensors file.
    pub(crate) fn write(&self, path: &Path) {
        let tensors = HashMap::from([
            ("images", self.images().contiguous().unwrap()),
            ("pictures", self.pictures()),
            ("logits", self.logits().contiguous().unwrap()),
        ]);
        candle_core::safetensors::save(&tensors, path).unwrap();
    }
}

/// Weights by He's rule, and biases around 0.1, in PyTorch's layout.
fn weights(spec: &NetworkSpec) -> HashMap<String, Tensor> {
    let mut tensors = HashMap::new();
    for (number, layer) in spec.fused_layers().unwrap().into_iter().enumerate() {
        let Some(shape) = layer.weight else { continue };
        let inputs: usize = shape[1..].iter().product();
        let gain = if matches!(layer.kind, LayerKind::Conv { .. }) { 2.0 } else { 1.0 };
        let std = (gain / inputs as f32).sqrt();
        for (part, shape, std, mean) in
            [("weight", &shape[..], std, 0.0), ("bias", &shape[..1], 0.05, 0.1)]
        {
            let count = shape.iter().product();
            let values = normals(3, 2 * number as u64 + part.len() as u64 % 2, std, count);
            let values = values.into_iter().map(|x| x + mean).collect();
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
            tensors.insert(format!("{}.{part}", layer.name), tensor);
        }
    }
    tensors
}
