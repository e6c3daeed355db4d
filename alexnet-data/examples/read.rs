//! Prints what a dataset holds: `cargo run --release --example read -- DATASET`.

#![allow(clippy::print_stdout)] // this program talks to people

use alexnet_data::Dataset;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir: PathBuf = std::env::args_os().nth(1).ok_or("expected the folder of a dataset")?.into();
    let dataset = Dataset::open(&dir)?;
    let manifest = dataset.manifest();
    let statistics = &manifest.statistics;

    println!("{} ({} × {} pixels)", dir.display(), manifest.height, manifest.width);
    let [r, g, b] = statistics.channel_mean;
    println!("mean of {} train images: R {r:.2}, G {g:.2}, B {b:.2}", statistics.images);
    for (value, [r, g, b]) in statistics.eigenvalues.iter().zip(statistics.eigenvectors) {
        println!("colour axis ({r:6.3}, {g:6.3}, {b:6.3}), variance {value:8.1}");
    }
    for split in dataset.splits() {
        println!("{}: {} records", split.name(), split.len());
        for (class, images) in manifest.classes.iter().zip(split.images_per_class()).take(10) {
            println!("  {:20} {images}", class.name);
        }
        // Every record: its checksum is compared as it is read.
        let (start, mut sum) = (Instant::now(), 0u64);
        for i in 0..split.len() {
            let record = split.record(i)?;
            sum += record.pixels.iter().map(|&v| u64::from(v)).sum::<u64>();
        }
        let mean = sum as f64 / (split.len() * manifest.height * manifest.width * 3) as f64;
        let rate = split.len() as f64 / start.elapsed().as_secs_f64();
        println!("  read whole: mean value {mean:.2}, {rate:.0} records/s");
    }
    Ok(())
}
