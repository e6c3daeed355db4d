//! Lesson 5: how fast one core fills training batches.
//!
//! `cargo run --release -p alexnet-data --example 05_loading_rate`, for drawn images, or
//! `cargo run --release -p alexnet-data --example 05_loading_rate -- DATASET CROP` for your own.
//!
//! The batches have the augmentation of the paper. Round 0 is one epoch in which checksums are
//! compared, and files may be read from disk; after it they are in memory, and the checksums are
//! known.

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::{
    Augmentation, Batch, ColorNoise, ColorScale, Dataset, DemoOptions, Offsets, Order, Plan,
    PrepareOptions, Source, draw_demo, prepare, survive_cut_files,
};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    survive_cut_files(); // a shard that someone cuts short is then an error of its record
    let mut arguments = std::env::args_os().skip(1);
    let dataset = arguments.next().map(PathBuf::from);
    lesson(dataset, arguments.next().and_then(|a| a.to_str()?.parse().ok()).unwrap_or(224))
}

/// Fills batches of crops of `crop` × `crop` from a dataset; by default, of drawn images.
pub(crate) fn lesson(
    dataset: Option<PathBuf>,
    crop: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    // With drawn images, the rounds are short.
    let (dir, time) = match dataset {
        Some(dir) => (dir, Duration::from_secs(5)),
        None => {
            let (images, dir) = (temporary.path().join("images"), temporary.path().join("dataset"));
            let demo =
                DemoOptions { image_size: 256, train_per_class: 6, val_per_class: 1, seed: 1 };
            draw_demo(&images, &demo, &|_| ())?;
            prepare(&PrepareOptions::new(Source::Folder, images, &dir), &|_| ())?;
            (dir, Duration::from_millis(200))
        }
    };
    let dataset = Dataset::open(&dir)?;
    let (train, statistics) = (dataset.split("train")?, &dataset.manifest().statistics);
    let augmentation = Augmentation {
        crop: [crop, crop],
        offsets: Offsets::Inclusive,
        resized: None,
        flip: true,
        shared_by: 1,
        color: Some(ColorNoise { sigma: 0.1, scale: ColorScale::StandardDeviation }),
    };
    let plan = Plan::new(train.len(), 128, Order::Shuffled, 2012, augmentation)?;
    let mut batch = Batch::new();
    for round in 0..6 {
        // Small datasets are loaded again and again until there is something to measure.
        let (start, mut images, mut epochs) = (Instant::now(), 0, 0);
        let enough = |images| images >= 20_000 || start.elapsed() > time;
        while epochs == 0 || round > 0 && !enough(images) {
            for step in 0..plan.steps_per_epoch() {
                plan.fill(train, statistics, round, step, &mut batch)?;
                images += batch.len();
            }
            epochs += 1;
        }
        assert_eq!(images, epochs * train.len());
        println!("round {round}: {:.0} images/s", images as f64 / start.elapsed().as_secs_f64());
    }
    Ok(())
}
