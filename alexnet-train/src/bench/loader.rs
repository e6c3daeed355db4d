//! The loader on a small dataset in memory: by itself, and with the training step.

use std::time::Instant;

use alexnet_data::{
    Augmentation, Batch, Dataset, DemoOptions, Offsets, Order, Plan, PrepareOptions, Source,
    draw_demo, prepare,
};
use tempfile::TempDir;

use super::mode;
use super::timing::{median, timings, together};
use crate::error::Error;
use crate::input::InputStage;
use crate::recipe::{InputRecipe, Mean};
use crate::train::device_batches::DeviceBatches;
use crate::train::prefetch::prefetch;
use crate::trainer::Trainer;

/// The side of the stored images, as ImageNet is stored.
const STORED: usize = 256;

/// Stored images of each of the ten classes: 50 MB in all, more than most caches.
const PER_CLASS: usize = 26;

const TRIES: usize = 5;
const IMAGES: usize = 5_000;

/// Random, mirrored crops of `input` (channels, height, width) per second, on one core.
pub(super) fn alone([_, h, w]: [usize; 3]) -> Result<f64, Error> {
    let drawn = DrawnDataset::new([h, w], PER_CLASS)?;
    let plan = drawn.plan(128.min(10 * PER_CLASS))?;
    let (train, statistics) = (drawn.data.split("train")?, &drawn.data.manifest().statistics);
    let mut batch = Batch::new();
    let mut best: f64 = 0.0;
    // The first round compares every record's checksum, and the others need not.
    for epoch in 0..=TRIES {
        let (start, mut images) = (Instant::now(), 0);
        while images < IMAGES {
            for step in 0..plan.steps_per_epoch() {
                plan.fill(train, statistics, epoch, step, &mut batch)?;
                images += batch.len();
            }
        }
        best = best.max(images as f64 / start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Images per second of the training step with images that come from the page cache through the
/// loader's threads to the device, as in a training; the median of `count` timings.
pub(super) fn feeding(trainer: &Trainer, threads: usize, count: usize) -> Result<f64, Error> {
    let [_, h, w] = trainer.network.spec().input;
    let batch = trainer.images[0].dim(0)?;
    // An epoch is at least two steps, so that the loader does not fill the same batch for ever.
    let drawn = DrawnDataset::new([h, w], (2 * batch).div_ceil(10))?;
    let (train, statistics) = (drawn.data.split("train")?, &drawn.data.manifest().statistics);
    let (plan, steps) = (drawn.plan(batch)?, train.len() / batch); // whole batches only
    let recipe = InputRecipe { mean: Mean::CentreWindow, scale: [1.0; 3] };
    let size = [train.height(), train.width()];
    let blocks = trainer.network.image_blocks()?;
    let input = |compute| {
        let stage = InputStage::new(&recipe, &statistics.mean_image, size, [h, w], compute);
        stage.map(|stage| stage.in_blocks(blocks))
    };
    let inputs = trainer.devices.iter().map(input).collect::<candle_core::Result<Vec<_>>>()?;

    let fill = |job: u64, batch: &mut Batch| {
        let (epoch, step) = (job as usize / steps, job as usize % steps);
        Ok(plan.fill(train, statistics, epoch, step, batch)?)
    };
    // In the first epoch every record's checksum is compared, and in the first steps queues fill.
    let together = together(&trainer.devices[0]);
    let untimed = steps + together;
    let jobs = 0..(untimed + count * together) as u64;
    prefetch(threads, jobs, fill, |loaded| {
        let mut batches = DeviceBatches::new(loaded, &inputs)?;
        let seconds = timings(&trainer.devices, untimed, count, |step| {
            let (sent, _) = batches.next()?;
            let images = batches.images(&sent, 1.0)?;
            trainer.step(&images, &sent[0].labels, mode(step))?;
            drop(images);
            batches.release(sent)
        })?;
        Ok(batch as f64 / median(&seconds))
    })
}

/// A dataset of drawn images in a temporary folder, stored as ImageNet is.
struct DrawnDataset {
    data: Dataset,
    crop: [usize; 2],
    _folder: TempDir, // removed when this is dropped
}

impl DrawnDataset {
    /// Draws ten classes of `per_class` training images, for crops of height and width `crop`.
    fn new(crop: [usize; 2], per_class: usize) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::io(std::env::temp_dir()))?;
        let (images, stored) = (folder.path().join("images"), folder.path().join("stored"));
        let size = STORED.max(crop[0]).max(crop[1]);
        let (train_per_class, demo) = (per_class, DemoOptions::STANDARD);
        let demo = DemoOptions { image_size: size, train_per_class, val_per_class: 1, ..demo };
        draw_demo(&images, &demo, &|_| ())?;
        let options = PrepareOptions::new(Source::Folder, &images, &stored);
        prepare(&PrepareOptions { size, ..options }, &|_| ())?;
        Ok(Self { data: Dataset::open(&stored)?, crop, _folder: folder })
    }

    /// Random, mirrored crops of all training images in batches of `batch`.
    fn plan(&self, batch: usize) -> Result<Plan, Error> {
        let (crop, offsets) = (self.crop, Offsets::Inclusive);
        let augmentation =
            Augmentation { crop, offsets, resized: None, flip: true, shared_by: 1, color: None };
        Ok(Plan::new(self.data.split("train")?.len(), batch, Order::Shuffled, 1, augmentation)?)
    }
}
