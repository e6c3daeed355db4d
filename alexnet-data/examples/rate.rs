//! How fast one core fills training batches: `cargo run --release --example rate -- DATASET CROP`.
//!
//! The paper's augmentation on the train split. Round 0 is one epoch, with checksums, which are
//! remembered after it; the files are in memory then.

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
    for round in 0..6 {
        // The first epoch alone: from disk, where the files are not in memory, and with checksums.
        // Then small datasets go round until there is something to measure.
        let (start, mut images, mut epochs) = (Instant::now(), 0, 0);
        let enough = |images: usize| images >= 20_000 || start.elapsed() > Duration::from_secs(5);
        while epochs == 0 || round > 0 && !enough(images) {
            for step in 0..plan.steps_per_epoch() {
                plan.fill(train, statistics, round, step, &mut batch)?;
                images += batch.len();
            }
            epochs += 1;
        }
        println!("round {round}: {:.0} images/s", images as f64 / start.elapsed().as_secs_f64());
    }
    Ok(())
}
