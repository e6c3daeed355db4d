//! The loader by itself: one thread that fills batches from a small dataset in warm memory.

use std::path::{Path, PathBuf};
use std::time::Instant;

use alexnet_data::{
    Augmentation, Batch, Dataset, DemoOptions, Offsets, Order, Plan, PrepareOptions, Source,
    draw_demo, prepare,
};

use crate::Error;

/// Side of the stored images, as ImageNet is stored.
const STORED: usize = 256;

/// Stored images of each of the ten classes: 50 MB in all, more than most caches.
const PER_CLASS: usize = 26;

/// Images a second of random, mirrored crops of `input` (channels, height, width), on one core.
pub(super) fn images_per_second([_, h, w]: [usize; 3]) -> Result<f64, Error> {
    let folder = Temporary::new()?;
    rate(&draw(&folder, [h, w], PER_CLASS)?, [h, w])
}

/// A dataset of drawn images in `folder`, stored as ImageNet is for crops of this size: ten classes of `per_class`.
pub(super) fn draw(
    folder: &Temporary,
    [h, w]: [usize; 2],
    per_class: usize,
) -> Result<PathBuf, Error> {
    let (images, stored) = (folder.0.join("images"), folder.0.join("stored"));
    let side = STORED.max(h).max(w);
    let demo = DemoOptions {
        image_size: side,
        train_per_class: per_class,
        val_per_class: 1,
        ..DemoOptions::STANDARD
    };
    draw_demo(&images, &demo, &|_| ())?;
    let options =
        PrepareOptions { size: side, ..PrepareOptions::new(Source::Folder, &images, &stored) };
    prepare(&options, &|_| ())?;
    Ok(stored)
}

fn rate(dataset: &Path, crop: [usize; 2]) -> Result<f64, Error> {
    const TRIES: usize = 5;
    const IMAGES: usize = 5_000;
    let data = Dataset::open(dataset)?;
    let (train, statistics) = (data.split("train")?, &data.manifest().statistics);
    let augmentation =
        Augmentation { crop, offsets: Offsets::Inclusive, flip: true, shared_by: 1, color: None };
    let plan = Plan::new(train.len(), 128.min(train.len()), Order::Shuffled, 1, augmentation)?;
    let mut batch = Batch::new();
    let mut best: f64 = 0.0;
    // The first round checks every record's checksum, the others find it checked.
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

/// A folder that goes when this does.
pub(super) struct Temporary(PathBuf);

impl Temporary {
    pub(super) fn new() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("alexnet-bench-{}", std::process::id()));
        match std::fs::create_dir_all(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(Error::Io { path, source }),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0); // what is left is in the system's own place for it
    }
}
