//! A dataset and a network small enough to train within a test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};
use alexnet_model::NetworkSpec;
use alexnet_train::{ComputeDevice, Job, Recipe, RunFolder, Task};

/// Every kind of layer over crops of 16 px.
const NETWORK: &str = r#"
name = "test"
input = [3, 16, 16]
towers = 2
layers = [
  { name = "conv1", kind = "conv", filters = 8, kernel = 5, stride = 2, pad = [2, 2, 2, 2], init = { std = 0.01, bias = 0.0 } },
  { name = "lrn1", kind = "lrn", n = 5, alpha = 1e-4, beta = 0.75, k = 2.0, towers = 2 },
  { name = "pool1", kind = "max-pool", kernel = 3, stride = 2, ceil = true },
  { name = "relu1", kind = "relu" },
  { name = "conv2", kind = "conv", filters = 8, kernel = 3, pad = [1, 1, 1, 1], groups = 2, init = { std = 0.1, bias = 0.0 } },
  { name = "relu2", kind = "relu" },
  { name = "norm2", kind = "map-norm", n = 5, alpha = 1e-3, beta = 0.75, k = 1.0 },
  { name = "fc3", kind = "linear", outputs = 16, init = { std = 0.1, bias = 0.0 } },
  { name = "relu3", kind = "relu" },
  { name = "drop3", kind = "dropout", keep = 0.5, scale = "at-test" },
  { name = "fc4", kind = "linear", outputs = 10, init = { std = 0.1, bias = 0.0 } },
]
"#;

/// Draws and prepares 10 classes of `train` and `val` images of 20 px in `folder`.
pub(crate) fn dataset(folder: &Path, train: usize, val: usize) -> PathBuf {
    let (images, output) = (folder.join("images"), folder.join("data"));
    let options =
        DemoOptions { image_size: 32, train_per_class: train, val_per_class: val, seed: 7 };
    draw_demo(&images, &options, &|_| ()).unwrap();
    let options =
        PrepareOptions { size: 20, ..PrepareOptions::new(Source::Folder, &images, &output) };
    prepare(&options, &|_| ()).unwrap();
    output
}

/// The demo recipe for two epochs of batches of 16, with `changes`.
pub(crate) fn recipe(changes: &[(&str, &str)]) -> Recipe {
    let all = [("batch", "16"), ("epochs", "2")].into_iter().chain(changes.iter().copied());
    let all: Vec<_> = all.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    Recipe::preset("demo", &all).unwrap()
}

/// A job that starts a run of `recipe` in `run`.
pub(crate) fn job(data: &Path, run: &Path, recipe: Recipe) -> Job {
    let network = Box::new(NetworkSpec::from_toml("test", NETWORK).unwrap());
    Job {
        data: data.to_owned(),
        run: RunFolder::new(run),
        task: Task::Start { recipe: Box::new(recipe), network, seed: 3 },
        loader_threads: 1,
        checkpoint_every: Duration::from_secs(3600),
        devices: vec![ComputeDevice::cpu()],
    }
}
