//! Lesson 2: prepare images with progress, within a budget of bytes, and check the result.
//!
//! `cargo run --release -p alexnet-data --example 02_prepare`, for drawn images, or
//! `cargo run --release -p alexnet-data --example 02_prepare -- INPUT OUTPUT` for your own.

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::{
    DemoOptions, Encoding, PrepareOptions, Progress, Source, draw_demo, prepare, verify,
};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    lesson(arguments.next().zip(arguments.next()))
}

/// Prepares the images of a folder into another one; by default, drawn images.
pub(crate) fn lesson(
    folders: Option<(PathBuf, PathBuf)>,
) -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let drawn = folders.is_none();
    let (input, output) = match folders {
        Some(folders) => folders,
        None => {
            let images = temporary.path().join("images");
            let demo =
                DemoOptions { train_per_class: 20, val_per_class: 5, ..DemoOptions::STANDARD };
            draw_demo(&images, &demo, &|_| ())?;
            (images, temporary.path().join("dataset"))
        }
    };

    // The source is recognised by the names of the files: a folder of classes here, but it may also
    // be the archives of ImageNet, tars of WebDataset, or the files of CIFAR.
    let source = Source::detect(&input)?;
    // As many records as possible are raw pixels, and the others are JPEG of quality 90.
    let encoding = Encoding::Budget { bytes: 2_000_000, quality: 90 };
    let options =
        PrepareOptions { size: 72, encoding, ..PrepareOptions::new(source, input, output) };
    let show = |progress: Progress| {
        if progress.done == progress.total {
            println!("{:?}: {} images", progress.stage, progress.done);
        }
    };
    let summary = prepare(&options, &show)?;
    assert!(!drawn || summary.splits == [("train".into(), 200), ("val".into(), 50)]);
    println!("{} images, {} could not be read", summary.images, summary.skipped);
    println!("the report is {}", summary.report.display());

    // Every byte is under a checksum; `repair` would make damaged shards again.
    let faults = verify(&options.output, &|_done, _total| ())?;
    println!("{} faults", faults.len());
    assert!(faults.is_empty());
    Ok(())
}
