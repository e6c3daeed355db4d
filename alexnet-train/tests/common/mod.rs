//! A dataset and a network small enough to train within a test.

use std::path::{Path, PathBuf};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};
use alexnet_model::NetworkSpec;
use alexnet_train::{ComputeDevice, Ended, Event, Job, Recipe, RunFolder, Task, train};

/// The network of the self-test, which has every kind of layer, for crops of 43 px.
const NETWORK: &str = include_str!("../../src/selftest/network.toml");

/// Draws and prepares 10 classes of `train` and `val` images of 48 px in `folder`.
pub(crate) fn dataset(folder: &Path, train: usize, val: usize) -> PathBuf {
    let (images, output) = (folder.join("images"), folder.join("data"));
    let options =
        DemoOptions { image_size: 48, train_per_class: train, val_per_class: val, seed: 7 };
    draw_demo(&images, &options, &|_| ()).unwrap();
    let options = PrepareOptions::new(Source::Folder, &images, &output);
    prepare(&PrepareOptions { size: 48, ..options }, &|_| ()).unwrap();
    output
}

/// The demo recipe for two epochs of batches of 16, with `changes`.
pub(crate) fn recipe(changes: &[(&str, &str)]) -> Recipe {
    Recipe::preset("demo", &[&[("batch", "16"), ("epochs", "2")], changes].concat()).unwrap()
}

/// A job that starts a run of `recipe` in `run`.
pub(crate) fn job(data: &Path, run: &Path, recipe: Recipe) -> Job {
    let network = Box::new(NetworkSpec::from_toml("test", NETWORK).unwrap());
    let (recipe, seed) = (Box::new(recipe), 3);
    let task = Task::Start { recipe, network, seed, statistics: None, pretrained: None };
    Job::new(data, RunFolder::new(run), task, vec![ComputeDevice::cpu()])
}

/// Trains until a step is done, and then asks the run to stop.
#[allow(dead_code)] // not every test cuts runs
pub(crate) fn train_until(mut job: Job, (last_epoch, last_step): (usize, usize)) {
    let flag = job.stop.request("the test");
    let ended = train(&job, &mut |event| {
        if let Event::Step { epoch, step, .. } = event {
            let is_last = (*epoch, *step) == (last_epoch, last_step);
            flag.fetch_or(is_last, std::sync::atomic::Ordering::Relaxed);
        }
    });
    assert_eq!(ended.unwrap(), Ended::Stopped { reason: "the test".to_owned() });
}
