//! Lesson 3: training batches with random crops, and test batches with ten fixed crops.
//!
//! `cargo run --release -p alexnet-data --example 03_batches`

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::{
    Augmentation, Batch, ColorNoise, ColorScale, Dataset, DemoOptions, Offsets, Order, Plan,
    PrepareOptions, Source, Views, draw_demo, prepare, test_views,
};

/// Makes a dataset and fills batches from it.
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let (images, output) = (temporary.path().join("images"), temporary.path().join("dataset"));
    let demo = DemoOptions { image_size: 40, train_per_class: 2, val_per_class: 1, seed: 2012 };
    draw_demo(&images, &demo, &|_| ())?;
    let options = PrepareOptions::new(Source::Folder, &images, &output);
    prepare(&PrepareOptions { size: 36, ..options }, &|_progress| ())?;
    let dataset = Dataset::open(&output)?;

    // The augmentation of the paper: random crops, half of them mirrored, and colour noise.
    let augmentation = Augmentation {
        crop: [32, 32],
        offsets: Offsets::Inclusive,
        resized: None,
        flip: true,
        shared_by: 1,
        color: Some(ColorNoise { sigma: 0.1, scale: ColorScale::StandardDeviation }),
    };
    // A plan is a pure function: any thread may fill any batch, in any order.
    let (train, statistics) = (dataset.split("train")?, &dataset.manifest().statistics);
    let plan = Plan::new(train.len(), 8, Order::Shuffled, 2012, augmentation)?;
    assert_eq!(plan.steps_per_epoch(), 3); // of 8, 8 and 4 images
    let mut batch = Batch::new(); // its memory is reused
    for step in 0..plan.steps_per_epoch() {
        plan.fill(train, statistics, 0, step, &mut batch)?;
        let (images, view) = (batch.len(), batch.views[0]);
        println!("step {step}: {images} images; the first is record {}, {view:?}", view.record);
    }

    // A test averages its predictions over the corners and the centre, and the same mirrored.
    let val = dataset.split("val")?;
    let views = test_views([val.height(), val.width()], [32, 32], Views::Ten)?;
    assert_eq!((views[4].top, views[4].left), (2, 2)); // the centre
    for view in views {
        batch.fill_views(val, 0..val.len(), [32, 32], view)?;
        println!("{} images at ({}, {})", batch.len(), view.top, view.left);
    }
    Ok(())
}
