//! What is to be prepared, how far it is, and what came of it.

use super::Source;
use super::job::MAX_SHARD_RECORDS;
use crate::manifest::MAX_SIDE;
use crate::{Encoding, Error, Exif};
use std::path::PathBuf;

/// What to prepare, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareOptions {
    /// The kind of the input.
    pub source: Source,
    /// The folder with the images or archives. For [`Source::Folder`]: the train tree, or a folder
    /// with the trees `train` and `val` in it where `val` is not given.
    pub input: PathBuf,
    /// The validation tree; only for [`Source::Folder`].
    pub val: Option<PathBuf>,
    /// The folder to write: new, empty, or with the beginning of this very preparation in it.
    pub output: PathBuf,
    /// The side of the stored images, 1 to 4096; 32 for CIFAR, whose images have no other.
    pub size: usize,
    /// Decoding threads; 0 for one a core. The output does not depend on it.
    pub threads: usize,
    /// Whether an image that is unreadable or damaged is an error.
    pub strict: bool,
    /// Images of the input a shard, less those that cannot be read; `None` for as many as make 1 GiB
    /// of raw pixels.
    pub shard_records: Option<usize>,
    /// What becomes of EXIF orientation; ignored by default, as in 2012.
    pub exif: Exif,
    /// Raw pixels, JPEG, or as much of each as a budget allows.
    pub encoding: Encoding,
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
    /// Bytes of records written in this stage.
    pub bytes: u64,
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
    /// Writing the test split.
    Test,
}

impl Stage {
    /// The split this stage writes.
    pub(super) fn split(self) -> &'static str {
        match self {
            Self::Val => "val",
            Self::Test => "test",
            _ => "train",
        }
    }
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
            exif: Exif::Ignore,
            encoding: Encoding::Raw,
        }
    }
}

pub(super) fn check(options: &PrepareOptions) -> Result<(), Error> {
    let setting = |name, expected, got: String| Err(Error::Setting { name, expected, got });
    if options.size == 0 || options.size > MAX_SIDE {
        return setting("size", "1 to 4096", options.size.to_string());
    }
    let cifar = matches!(options.source, Source::Cifar10 | Source::Cifar100);
    if cifar && options.size != options.source.default_size() {
        return setting("size", "32, the size of CIFAR's images", options.size.to_string());
    }
    if let Some(n) = options.shard_records
        && !(1..=MAX_SHARD_RECORDS).contains(&n)
    {
        return setting("shard_records", "1 to 16777216", n.to_string());
    }
    if let Encoding::Jpeg { quality } | Encoding::Budget { quality, .. } = options.encoding
        && !(1..=100).contains(&quality)
    {
        return setting("quality", "1 to 100", quality.to_string());
    }
    if let (false, Some(val)) = (options.source == Source::Folder, &options.val) {
        let expected = "nothing: this source has its own val split";
        return setting("val", expected, val.display().to_string());
    }
    Ok(())
}

/// 0 means one a core; more than 1024 would only cost memory.
pub(super) fn threads(asked: usize) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    if asked == 0 { cores() } else { asked.min(1024) }
}
