//! Preparation: a source of images in, a finished dataset out.

mod cifar;
mod folder;
mod output;
mod report;
mod shards;
mod split;

use crate::demo::{DemoOptions, draw_demo};
use crate::header::VERSION;
use crate::manifest::{FILE, MAX_SIDE};
use crate::{Class, Error, Manifest, Pixels, StoredOrder};
use output::Output;
use report::Report;
use serde::{Deserialize, Serialize};
use split::{Job, write_split};
use std::path::PathBuf;

/// The report's file name: one JSON object a line, `split`, `path`, `action`, `reason`.
const REPORT: &str = "report.jsonl";
/// The seed of the stored order of train. Any would do; this one stays.
const ORDER_SEED: u64 = 2012;
/// Shards are filled up to this many bytes of records, and hold at least one.
const SHARD_BYTES: usize = 1 << 30;

/// Where images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A tree with one folder a class, JPEG and PNG files at any depth below it.
    Folder,
    /// The official CIFAR-10 binary files.
    Cifar10,
    /// As `Folder`; where the input folder is empty or missing, the demo images
    /// ([`DemoOptions::STANDARD`]) are drawn into it first.
    Demo,
}

/// What to prepare, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareOptions {
    /// The kind of the input.
    pub source: Source,
    /// The folder with the images. For [`Source::Folder`]: the train tree, or a folder with the
    /// trees `train` and `val` in it where `val` is not given.
    pub input: PathBuf,
    /// The validation tree; only for [`Source::Folder`].
    pub val: Option<PathBuf>,
    /// The folder to write: new or empty.
    pub output: PathBuf,
    /// The side of the stored images, 1 to 4096; 32 for CIFAR-10, whose images have no other.
    pub size: usize,
    /// Decoding threads; 0 for one a core. The output does not depend on it.
    pub threads: usize,
    /// Whether an image that is unreadable or damaged is an error.
    pub strict: bool,
    /// Records a shard; `None` for as many as fit into 1 GiB.
    pub shard_records: Option<usize>,
}

/// How far a preparation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Images done in this stage.
    pub done: u64,
    /// Images of this stage; 0 while that is unknown.
    pub total: u64,
    /// Images skipped in this stage.
    pub skipped: u64,
}

/// What a preparation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Drawing the demo images.
    Drawing,
    /// Listing the input.
    Scanning,
    /// Writing the train split.
    Train,
    /// Writing the val split.
    Val,
}

/// What a preparation wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Images in all splits.
    pub images: u64,
    /// Classes.
    pub classes: usize,
    /// Images that could not be read: they are in the report, not in the dataset.
    pub skipped: u64,
    /// Images with a fault the decoder got through: in the report and in the dataset.
    pub damaged: u64,
    /// Files that were no images: not read.
    pub ignored: u64,
    /// The report.
    pub report: PathBuf,
    /// Name and number of images of each split.
    pub splits: Vec<(String, u64)>,
}

/// A split's images before they are read: what every source offers.
trait Images: Sync {
    /// The number of images.
    fn len(&self) -> usize;
    /// The label of image `i`, where the list of images has it.
    fn label(&self, i: usize) -> u32;
    /// What the report calls image `i`.
    fn name(&self, i: usize) -> String;
    /// Reads image `i` as `size` × `size` pixels, or says on one line why not.
    fn load(&self, i: usize, size: usize) -> Result<Pixels, String>;
}

/// An input, listed.
struct Listing {
    classes: Vec<Class>,
    train: Box<dyn Images>,
    val: Option<Box<dyn Images>>,
    ignored: u64,
}

impl Source {
    /// The name in the manifest and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Cifar10 => "cifar10",
            Self::Demo => "demo",
        }
    }

    /// The usual side of its stored images: 256 for folders, as in 2012.
    pub fn default_size(self) -> usize {
        match self {
            Self::Folder => 256,
            Self::Cifar10 => cifar::SIDE,
            Self::Demo => 72,
        }
    }
}

impl PrepareOptions {
    /// The usual options: no val tree, the source's size, all cores, not strict, 1 GiB shards.
    pub fn new(source: Source, input: impl Into<PathBuf>, output: impl Into<PathBuf>) -> Self {
        Self {
            source,
            input: input.into(),
            val: None,
            output: output.into(),
            size: source.default_size(),
            threads: 0,
            strict: false,
            shard_records: None,
        }
    }
}

/// Prepares a dataset. The same input gives the same bytes for any number of threads.
///
/// An image that cannot be read is skipped and named in `report.jsonl`. On any error nothing of the
/// output is left. `progress` is called for every image, while drawing from several threads at once.
///
/// # Errors
/// Every [`Error`] but those of reading: a missing or empty input, an output that is in use,
/// unreadable images under [`PrepareOptions::strict`], a full disk.
pub fn prepare(
    options: &PrepareOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Summary, Error> {
    check(options)?;
    // Before the work, not after it.
    // What is left of a demo can be made again in seconds; of anything else, people decide.
    let mut output = Output::create(&options.output, options.source == Source::Demo)?;
    if options.source == Source::Demo {
        draw_demo(&options.input, &DemoOptions::STANDARD, progress)?;
    }
    let mut report = Report::create(output.dir(), REPORT)?;
    let listing = match options.source {
        Source::Folder | Source::Demo => folder::list(options, &mut report, progress)?,
        Source::Cifar10 => cifar::list(&options.input)?,
    };
    let record = options.size * options.size * 3;
    let job = Job {
        size: options.size,
        threads: threads(options.threads),
        shard_records: options.shard_records.unwrap_or(SHARD_BYTES / record).max(1),
        classes: listing.classes.len(),
        order_seed: ORDER_SEED,
        progress,
    };
    let (train, sums) = write_split(
        &job,
        Stage::Train,
        StoredOrder::Shuffled,
        &*listing.train,
        &mut output,
        &mut report,
    )?;
    let mut splits = vec![train];
    if let Some(val) = &listing.val {
        let sorted = StoredOrder::Sorted;
        splits.push(write_split(&job, Stage::Val, sorted, &**val, &mut output, &mut report)?.0);
    }
    let images = splits.iter().map(|s| s.records).sum();
    if options.strict && !report.faults().is_empty() {
        let (count, first) = (report.skipped + report.damaged, report.faults().join("; "));
        return Err(Error::Strict { count, images: images + report.skipped, first });
    }
    let Some(statistics) = sums.finish() else {
        let problem = "no image of the train split could be read".into();
        return Err(Error::Source { path: options.input.clone(), problem });
    };
    let (skipped, damaged) = (report.skipped, report.damaged);
    let report = report.finish(&mut output)?;
    let manifest = Manifest {
        version: VERSION,
        source: options.source.name().into(),
        height: options.size,
        width: options.size,
        order_seed: ORDER_SEED,
        ignored: listing.ignored,
        classes: listing.classes,
        splits,
        report,
        statistics,
    };
    // Last: a folder with a manifest is a finished dataset.
    output.add(FILE);
    manifest.write(output.dir())?;
    output.keep();
    Ok(Summary {
        images,
        classes: manifest.classes.len(),
        skipped,
        damaged,
        ignored: manifest.ignored,
        report: options.output.join(REPORT),
        splits: manifest.splits.into_iter().map(|s| (s.name, s.records)).collect(),
    })
}

fn check(options: &PrepareOptions) -> Result<(), Error> {
    let setting = |name, expected, got: String| Err(Error::Setting { name, expected, got });
    if options.size == 0 || options.size > MAX_SIDE {
        return setting("size", "1 to 4096", options.size.to_string());
    }
    if options.source == Source::Cifar10 && options.size != cifar::SIDE {
        return setting("size", "32, the size of CIFAR-10's images", options.size.to_string());
    }
    if options.shard_records == Some(0) {
        return setting("shard_records", "at least 1", "0".into());
    }
    if let (Source::Cifar10 | Source::Demo, Some(val)) = (options.source, &options.val) {
        let expected = "nothing: this source has its own val split";
        return setting("val", expected, val.display().to_string());
    }
    Ok(())
}

/// 0 means one a core; more than 1024 would only cost memory.
fn threads(asked: usize) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    if asked == 0 { cores() } else { asked.min(1024) }
}
