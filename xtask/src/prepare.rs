//! `cargo xtask prepare-data`: arguments in, a progress bar and one line of counts out.

use crate::progress::Show;
use alexnet_data::{Exif, PrepareOptions, Source, prepare_until};
use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Turns images on disk into a dataset: memory-mapped, checksummed shards with their statistics.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What the input is [default: told by the names of its files]:
    /// folder (a tree of JPEG and PNG files, one folder a class), ilsvrc2012 and ilsvrc2010 (the
    /// official archives as downloaded), kaggle (its zip unpacked), fall2011 (a tar for each WordNet
    /// id), webdataset (tars of jpg and cls), cifar10, cifar100 (the binary files), demo (shapes
    /// drawn by code).
    #[arg(long, value_name = "SOURCE", value_parser = PossibleValuesParser::new(Source::ALL.map(Source::name)))]
    source: Option<String>,
    /// The folder with the images or archives; for the demo, where the images are drawn
    /// [default for the demo: data/demo-images].
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// The dataset's folder: new, empty, or where this very command was interrupted.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// The validation tree, for folders that have it elsewhere.
    #[arg(long, value_name = "PATH")]
    val: Option<PathBuf>,
    /// The side of the stored images [default: 256; CIFAR 32; demo 72].
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Decoding threads [default: one a core]. The output does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Fail where an image cannot be read, instead of skipping and reporting it.
    #[arg(long)]
    strict: bool,
    /// Records a shard [default: as many as fit into 1 GiB].
    #[arg(long, value_name = "N")]
    shard_records: Option<usize>,
    /// What becomes of the orientation a camera noted: ignore it, as in 2012, or apply it.
    #[arg(long, value_name = "WHAT", default_value = "ignore", value_parser = PossibleValuesParser::new(["ignore", "apply"]))]
    exif: String,
    /// Show no progress and, unless something fails, no summary.
    #[arg(long)]
    quiet: bool,
    /// Progress and summary as lines of JSON on standard output.
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (source, input) = source_and_input(arguments)?;
    let options = PrepareOptions {
        val: arguments.val.clone(),
        size: arguments.size.unwrap_or(source.default_size()),
        threads: arguments.threads,
        strict: arguments.strict,
        shard_records: arguments.shard_records,
        exif: if arguments.exif == "apply" { Exif::Apply } else { Exif::Ignore },
        ..PrepareOptions::new(source, input, &arguments.output)
    };
    let bar = Show::new(arguments.quiet, arguments.json);
    let stop = stop_on_signal()?;
    let summary = prepare_until(&options, &|progress| bar.show(progress), &stop);
    bar.clear();
    let summary = summary?;
    if arguments.quiet {
        return Ok(());
    }
    if arguments.json {
        let splits: serde_json::Map<_, _> =
            summary.splits.iter().map(|(name, n)| (name.clone(), (*n).into())).collect();
        let line = serde_json::json!({
            "images": summary.images, "splits": splits, "classes": summary.classes,
            "skipped": summary.skipped, "damaged": summary.damaged, "ignored": summary.ignored,
            "report": summary.report,
        });
        println!("{line}");
        return Ok(());
    }
    let splits: Vec<_> = summary.splits.iter().map(|(name, n)| format!("{n} {name}")).collect();
    println!(
        "{} images ({}), {} classes, {} unreadable and skipped, {} damaged, {} other files ignored; report: {}",
        summary.images,
        splits.join(", "),
        summary.classes,
        summary.skipped,
        summary.damaged,
        summary.ignored,
        summary.report.display()
    );
    Ok(())
}

/// The source and its input: the one named, or the one the input looks like, which is said.
fn source_and_input(arguments: &Arguments) -> Result<(Source, PathBuf)> {
    let named = arguments.source.as_deref();
    let named = named.and_then(|name| Source::ALL.into_iter().find(|s| s.name() == name));
    match (named, &arguments.input) {
        (Some(source), Some(input)) => Ok((source, input.clone())),
        (Some(Source::Demo), None) => Ok((Source::Demo, "data/demo-images".into())),
        (None, Some(input)) => {
            let source = Source::detect(input)?;
            if !arguments.quiet {
                eprintln!("{} looks like the source {}", input.display(), source.name());
            }
            Ok((source, input.clone()))
        }
        (_, None) => bail!("--input is missing: expected the folder with the images or archives"),
    }
}

/// What Ctrl-C, and the signal a scheduler ends jobs with, set to true.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    ctrlc::set_handler(move || set.store(true, Ordering::Relaxed))
        .context("cannot catch Ctrl-C")?;
    Ok(stop)
}
