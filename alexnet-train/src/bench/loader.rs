//! The loader by itself: one thread that fills batches from a small dataset in memory.

use std::time::Instant;

use alexnet_data::{
    Augmentation, Batch, Dataset, DemoOptions, Offsets, Order, Plan, PrepareOptions, Source,
    draw_demo, prepare,
};
use tempfile::TempDir;

use crate::error::Error;

/// The side of the stored images, as ImageNet is stored.
const STORED: usize = 256;

/// Stored images of each of the ten classes: 50 MB in all, more than most caches.
const PER_CLASS: usize = 26;

const TRIES: usize = 5;
const IMAGES: usize = 5_000;

/// Random, mirrored crops of `input` (channels, height, width) per second, on one core.
pub(super) fn images_per_second([_, h, w]: [usize; 3]) -> Result<f64, Error> {
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

/// A dataset of drawn images in a temporary folder, stored as ImageNet is.
pub(super) struct DrawnDataset {
    pub(super) data: Dataset,
    crop: [usize; 2],
    _folder: TempDir, // removed when this is dropped
}

impl DrawnDataset {
    /// Draws ten classes of `per_class` training images, for crops of height and width `crop`.
    pub(super) fn new(crop: [usize; 2], per_class: usize) -> Result<Self, Error> {
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
    pub(super) fn plan(&self, batch: usize) -> Result<Plan, Error> {
        let (crop, offsets) = (self.crop, Offsets::Inclusive);
        let augmentation = Augmentation { crop, offsets, flip: true, shared_by: 1, color: None };
        Ok(Plan::new(self.data.split("train")?.len(), batch, Order::Shuffled, 1, augmentation)?)
    }
}
