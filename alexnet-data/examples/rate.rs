//! How fast one core fills training batches: `cargo run --release --example rate -- DATASET CROP`.
//!
//! The paper's augmentation on the train split, page cache warm, checksums checked in the first
//! epoch and remembered after it.

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::{Augmentation, Batch, ColorNoise, ColorScale, Dataset, Offsets, Order, Plan};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let dir: PathBuf = arguments.next().ok_or("expected the folder of a dataset")?.into();
    let crop = arguments.next().and_then(|a| a.to_str()?.parse().ok()).unwrap_or(224);
    let dataset = Dataset::open(&dir)?;
    let (train, statistics) = (dataset.split("train")?, &dataset.manifest().statistics);
    let plan = Plan::new(
        train.len(),
        128,
        Order::Shuffled,
        2012,
        Augmentation {
            crop: [crop, crop],
            offsets: Offsets::Inclusive,
            flip: true,
            shared_by: 1,
            color: Some(ColorNoise { sigma: 0.1, scale: ColorScale::StandardDeviation }),
        },
    )?;
    let mut batch = Batch::new();
    for epoch in 0..6 {
        // Small datasets go round until there is something to measure.
        let (start, mut images) = (Instant::now(), 0);
        while images < 20_000 && start.elapsed() < Duration::from_secs(5) {
            for step in 0..plan.steps_per_epoch() {
                plan.fill(train, statistics, epoch, step, &mut batch)?;
                images += batch.len();
            }
        }
        println!("round {epoch}: {:.0} images/s", images as f64 / start.elapsed().as_secs_f64());
    }
    Ok(())
}
