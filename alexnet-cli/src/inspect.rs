//! `alexnet inspect`: what a dataset holds, and pictures of it.

use std::path::PathBuf;

use alexnet_data::{Amount, Dataset, Mixture, contact_sheet, mean_picture, write_png};
use anyhow::Result;

use crate::describe::grouped;
use crate::numbers::within;
use crate::output::Report;

/// Show what a dataset holds: counts, classes, statistics, pictures
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Dataset folder
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Write a contact sheet of images
    #[arg(long, value_name = "PNG")]
    sheet: Option<PathBuf>,
    /// Images on the sheet
    #[arg(
        long, value_name = "N", default_value_t = 64, value_parser = within::<usize>(1..=1024)
    )]
    images: usize,
    /// Write the mean image
    #[arg(long, value_name = "PNG")]
    mean: Option<PathBuf>,
    /// Which images are on the sheet
    #[arg(long, default_value = "train")]
    split: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let data = Dataset::open(&arguments.data)?;
    let (manifest, dir) = (data.manifest(), arguments.data.display());
    // The pictures first: a reader of the table that goes away does not cost them.
    if let Some(path) = &arguments.sheet {
        write_png(path, &contact_sheet(data.split(&arguments.split)?, arguments.images)?)?;
    }
    if let Some(path) = &arguments.mean {
        write_png(path, &mean_picture(manifest))?;
    }
    let (height, width) = (manifest.height, manifest.width);
    writeln!(Report, "{dir}: source {}, images of {height} x {width}", manifest.source)?;
    for split in &manifest.splits {
        let (records, shards) = (grouped(split.records), split.shards.len());
        let bytes: u64 = split.shards.iter().map(|s| s.bytes).sum();
        writeln!(
            Report,
            "{:<6} {records:>12} images, {} skipped, {shards} shards, {} bytes",
            split.name,
            grouped(split.skipped),
            grouped(bytes)
        )?;
    }
    let Mixture { raw_per_million, quality, budget } = manifest.encoding;
    let quality = quality.map_or(String::new(), |q| format!(", jpeg of quality {q}"));
    let budget =
        budget.map_or(String::new(), |b| format!(", within a budget of {} bytes", grouped(b)));
    writeln!(Report, "encoding: {:.1} % raw{quality}{budget}", f64::from(raw_per_million) / 1e4)?;
    for split in data.splits() {
        for (name, Amount { records, bytes }) in [("raw", split.raw()), ("jpeg", split.jpeg())] {
            if let Some(mean) = bytes.checked_div(records) {
                let name = format!("{} {name}", split.name());
                writeln!(Report, "{name:<12} {:>6} records, {mean} bytes each", grouped(records))?;
            }
        }
    }
    let statistics = &manifest.statistics;
    let [r, g, b] = statistics.channel_mean;
    writeln!(Report, "mean   R {r:.2}, G {g:.2}, B {b:.2}")?;
    for (value, [r, g, b]) in statistics.eigenvalues.iter().zip(statistics.eigenvectors) {
        writeln!(Report, "axis   ({r:6.3}, {g:6.3}, {b:6.3}), variance {value:.1}")?;
    }
    let splits = data.splits().map(|split| split.name()).collect::<Vec<_>>().join(", ");
    writeln!(Report, "\n{:<6} {:<20} images of {splits}", "label", "class")?;
    for (label, class) in manifest.classes.iter().enumerate() {
        let counts = manifest.splits.iter().map(|s| format!("{:>8}", s.images_per_class[label]));
        let (counts, words) = (counts.collect::<String>(), class.words.as_deref().unwrap_or(""));
        writeln!(
            Report,
            "{}",
            format!("{label:<6} {:<20}{counts}  {words}", class.name).trim_end()
        )?;
    }
    Ok(())
}
