//! Lesson 1: draw a small dataset, train for one epoch and print the events.
//!
//! `cargo run --release -p alexnet-train --example 01_train_demo`

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};
use alexnet_model::NetworkSpec;
use alexnet_train::{ComputeDevice, Job, Recipe, RunFolder, Task, train};

/// Trains the demo network on 80 images of ten classes, which makes ten steps.
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let (images, data) = (temporary.path().join("images"), temporary.path().join("data"));
    let demo = DemoOptions { train_per_class: 8, val_per_class: 2, ..DemoOptions::STANDARD };
    draw_demo(&images, &demo, &|_progress| ())?;
    let options = PrepareOptions::new(Source::Folder, &images, &data);
    prepare(&PrepareOptions { size: 72, ..options }, &|_progress| ())?;

    let recipe = Box::new(Recipe::preset("demo", &[("batch", "8"), ("epochs", "1")])?);
    let network = Box::new(NetworkSpec::preset("demo")?);
    let task = Task::Start { recipe, network, seed: 1, statistics: None, pretrained: None };
    let run = RunFolder::new(&temporary.path().join("run"));
    let job = Job::new(&data, run, task, vec![ComputeDevice::cpu()]);
    let ended = train(&job, &mut |event| println!("{event:?}"))?;

    let scores = ended.scores().unwrap_or_default();
    assert_eq!((scores[1].images, scores[1].views), (20, 10));
    println!("{:.0} % of the test images are wrong", scores[1].top1_error);
    Ok(())
}
