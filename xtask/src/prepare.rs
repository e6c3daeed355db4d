//! `cargo xtask prepare-data`: arguments in, a progress bar and one line of counts out.

use alexnet_data::{PrepareOptions, Progress, Source, Stage, prepare_until};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Turns images on disk into a dataset: memory-mapped, checksummed shards with their statistics.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where the images come from.
    #[arg(long, value_enum)]
    source: SourceName,
    /// The folder with the images: a tree with one folder a class, or with `train` and `val` trees
    /// in it; the CIFAR-10 binary files; for the demo, where the images are drawn
    /// [default for the demo: data/demo-images].
    #[arg(long, value_name = "PATH", required_if_eq_any([("source", "folder"), ("source", "cifar10")]))]
    input: Option<PathBuf>,
    /// The dataset's folder: new, empty, or where this very command was interrupted.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// The validation tree, for folders that have it elsewhere.
    #[arg(long, value_name = "PATH")]
    val: Option<PathBuf>,
    /// The side of the stored images [default: 256; CIFAR-10 32; demo 72].
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
}

#[derive(Clone, Copy, ValueEnum)]
enum SourceName {
    /// A tree of JPEG and PNG files, one folder a class.
    Folder,
    /// The official CIFAR-10 binary files.
    #[value(name = "cifar10")]
    Cifar10,
    /// Textured shapes, drawn by code.
    Demo,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let source = match arguments.source {
        SourceName::Folder => Source::Folder,
        SourceName::Cifar10 => Source::Cifar10,
        SourceName::Demo => Source::Demo,
    };
    let demo = matches!(source, Source::Demo).then(|| PathBuf::from("data/demo-images"));
    let input = arguments.input.clone().or(demo).context("--input is missing")?;
    let options = PrepareOptions {
        val: arguments.val.clone(),
        size: arguments.size.unwrap_or(source.default_size()),
        threads: arguments.threads,
        strict: arguments.strict,
        shard_records: arguments.shard_records,
        ..PrepareOptions::new(source, input, &arguments.output)
    };
    let bar = Bar::new();
    let stop = stop_on_signal()?;
    let summary = prepare_until(&options, &|progress| bar.show(progress), &stop);
    bar.clear();
    let summary = summary?;
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

/// What Ctrl-C, and the signal a scheduler ends jobs with, set to true.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    ctrlc::set_handler(move || set.store(true, Ordering::Relaxed))
        .context("cannot catch Ctrl-C")?;
    Ok(stop)
}

/// One bar for each stage, one after the other.
struct Bar(Mutex<Option<(Stage, ProgressBar)>>);

impl Bar {
    fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn show(&self, progress: Progress) {
        let Ok(mut current) = self.0.lock() else { return };
        if !matches!(&*current, Some((stage, _)) if *stage == progress.stage) {
            if let Some((_, bar)) = current.take() {
                bar.finish_and_clear();
            }
            *current = Some((progress.stage, stage_bar(progress)));
        }
        if let Some((_, bar)) = &*current {
            bar.set_position(progress.done);
            if progress.skipped > 0 {
                bar.set_message(format!("{} skipped", progress.skipped));
            }
        }
    }

    fn clear(&self) {
        if let Ok(mut current) = self.0.lock()
            && let Some((_, bar)) = current.take()
        {
            bar.finish_and_clear();
        }
    }
}

fn stage_bar(progress: Progress) -> ProgressBar {
    let name = match progress.stage {
        Stage::Drawing => "drawing",
        Stage::Scanning => "listing",
        Stage::Train => "train",
        Stage::Val => "val",
    };
    let (bar, template) = match progress.total {
        0 => (ProgressBar::no_length(), "{prefix:8} {pos} images {msg}"),
        total => (
            ProgressBar::new(total),
            "{prefix:8} {wide_bar} {pos}/{len} {per_sec:>12} images, {eta} left {msg}",
        ),
    };
    // A template is a constant: where it is wrong, the usual style shows the same numbers.
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_prefix(name);
    bar
}
