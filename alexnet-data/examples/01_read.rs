//! Lesson 1: make a small dataset, open it and read a record.
//!
//! `cargo run --release -p alexnet-data --example 01_read`

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::{Dataset, DemoOptions, PrepareOptions, Source, draw_demo, prepare};

/// Makes the dataset and reads from it.
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Thirty images of ten classes, in one folder for each class.
    let temporary = tempfile::tempdir()?;
    let (images, output) = (temporary.path().join("images"), temporary.path().join("dataset"));
    let demo = DemoOptions { image_size: 40, train_per_class: 2, val_per_class: 1, seed: 2012 };
    draw_demo(&images, &demo, &|_| ())?;

    // The dataset: every image as 36 × 36 pixels, with statistics of the train split.
    let options = PrepareOptions::new(Source::Folder, &images, &output);
    prepare(&PrepareOptions { size: 36, ..options }, &|_progress| ())?;

    // Opening maps the shards into memory; reading a record compares its checksum.
    let dataset = Dataset::open(&output)?;
    let manifest = dataset.manifest();
    for split in dataset.splits() {
        println!("{}: {} images in {} classes", split.name(), split.len(), manifest.classes.len());
    }
    let train = dataset.split("train")?;
    assert_eq!((train.len(), train.images_per_class()), (20, &[2; 10][..]));
    let record = train.record(0)?;
    let class = &manifest.classes[record.label as usize].name;
    let [r, g, b] = [record.pixels[0], record.pixels[1], record.pixels[2]];
    assert!(class.starts_with("dotted-") || class.starts_with("striped-"));
    println!("the first train image is a {class}; its first pixel is ({r}, {g}, {b})");
    let [r, g, b] = manifest.statistics.channel_mean;
    println!("the mean of all train pixels is ({r:.1}, {g:.1}, {b:.1})");
    Ok(())
}
