//! Lesson 2: the error rates of a checkpoint on a dataset, and the classes of one image.
//!
//! `cargo run --release -p alexnet-train --example 02_evaluate` for a network that has just begun
//! to learn, or `cargo run --release -p alexnet-train --example 02_evaluate -- CHECKPOINT DATASET`.

#![allow(clippy::print_stdout)] // this program talks to people

use std::path::{Path, PathBuf};

use alexnet_data::{
    Dataset, DemoOptions, Pixels, PrepareOptions, Source, Views, draw_demo, prepare,
};
use alexnet_model::NetworkSpec;
use alexnet_train::{
    Checkpoint, ComputeDevice, Job, Recipe, RunFolder, Task, check_classes, check_preprocessing,
    classify, evaluate, ranking, train,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    run(arguments.next().zip(arguments.next()))
}

/// Evaluates the weights and the dataset that are given, or those that it makes.
pub(crate) fn run(given: Option<(PathBuf, PathBuf)>) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let (path, data) = given.map_or_else(|| trained(temporary.path()), Ok)?;
    let data = Dataset::open(&data)?;
    let split = data.split("val")?;

    // A checkpoint holds the network, the mean image, the names of the classes and how image files
    // became pixels.
    let device = ComputeDevice::cpu();
    let checkpoint = Checkpoint::load(&path)?;
    check_classes(&path, &checkpoint, &data)?;
    check_preprocessing(&path, &checkpoint, &data)?;
    let input = checkpoint.input(&path, &device)?;
    let network = checkpoint.network_on(std::slice::from_ref(&device))?;

    // With ten views of each image, as in the paper.
    let inputs = [input];
    let score = evaluate(&network, split, &inputs, Views::Ten, 1, &mut |_images| ())?;
    assert_eq!((score.images, score.views), (split.len(), 10));
    println!("top-1 error {:.1} %, top-5 error {:.1} %", score.top1_error, score.top5_error);

    // One image by itself.
    let image = Pixels::new(split.height(), split.width(), split.record(0)?.pixels.into_owned());
    let probabilities = classify(&network, &inputs[0], &image, Views::One)?;
    for (class, probability) in ranking(&probabilities, 3) {
        println!("{:5.1} %  {}", 100.0 * probability, checkpoint.classes[class]);
    }
    Ok(())
}

/// Draws a dataset, trains for one epoch, and gives the weights and the dataset.
fn trained(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let (images, data) = (folder.join("images"), folder.join("data"));
    let demo = DemoOptions { train_per_class: 8, val_per_class: 2, ..DemoOptions::STANDARD };
    draw_demo(&images, &demo, &|_| ())?;
    let options = PrepareOptions::new(Source::Folder, &images, &data);
    prepare(&PrepareOptions { size: 72, ..options }, &|_| ())?;
    let recipe = Box::new(Recipe::preset("demo", &[("batch", "8"), ("epochs", "1")])?);
    let network = Box::new(NetworkSpec::preset("demo")?);
    let task = Task::Start { recipe, network, seed: 1, statistics: None, pretrained: None };
    let run = RunFolder::new(&folder.join("run"));
    let job = Job::new(&data, run, task, vec![ComputeDevice::cpu()]);
    train(&job, &mut |_| ())?;
    Ok((job.run.weights(), data))
}
