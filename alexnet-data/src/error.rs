//! Everything that can go wrong, each as one line a person can act on.

use crate::prepare::in_words;
use std::path::PathBuf;

/// An error of this crate. Its text is one line: the thing, what was expected, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: `read`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// The folder is not a finished dataset.
    #[error(
        "{} is not a dataset: it holds no manifest.json; give a folder that a finished preparation wrote",
        path.display()
    )]
    NotADataset {
        /// The folder.
        path: PathBuf,
    },
    /// The file is of another format version.
    #[error(
        "{} has format version {got}, this program reads version {expected}: prepare the dataset again, or use the program that wrote it",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version this crate reads.
        expected: u64,
        /// The version found.
        got: u64,
    },
    /// A file of the dataset is not what was written.
    #[error(
        "{} is damaged: {what} should be {expected}, found {got}; copy the file again, or repair the dataset with `alexnet verify --repair`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },
    /// A record's bytes do not match its checksum.
    #[error(
        "{} is damaged: record {record} of the file has checksum {got:08x}, the index says {expected:08x}; copy the file again, or repair the dataset with `alexnet verify --repair`",
        path.display()
    )]
    DamagedRecord {
        /// The shard.
        path: PathBuf,
        /// The record's number inside the shard.
        record: usize,
        /// The checksum of the index.
        expected: u32,
        /// The checksum of the bytes.
        got: u32,
    },
    /// A record whose checksum is right, but which is no picture of the stored size.
    #[error(
        "{}: record {record} has the right checksum, but is no JPEG of {height}×{width} pixels ({reason}): it was written so; prepare the dataset again",
        path.display()
    )]
    BadRecord {
        /// The shard.
        path: PathBuf,
        /// The record's number inside the shard.
        record: usize,
        /// Rows of every image of the dataset.
        height: usize,
        /// Columns of every image of the dataset.
        width: usize,
        /// What the decoder says.
        reason: String,
    },
    /// There is no split of that name.
    #[error("there is no split `{name}` in {}; it has: {}", path.display(), present.join(", "))]
    UnknownSplit {
        /// The name asked for.
        name: String,
        /// The dataset.
        path: PathBuf,
        /// The names of the splits it has.
        present: Vec<String>,
    },
    /// A record number beyond the end of a split.
    #[error("record {record} was asked of split `{split}`, which has {records}")]
    NoSuchRecord {
        /// The split.
        split: String,
        /// The number asked for.
        record: usize,
        /// How many there are.
        records: usize,
    },
    /// A crop that does not lie inside the stored image.
    #[error(
        "a crop of {}×{} at ({top}, {left}) does not fit the stored {}×{}: choose a smaller crop or prepare larger images",
        crop[0], crop[1], stored[0], stored[1]
    )]
    Crop {
        /// Height and width of the crop.
        crop: [usize; 2],
        /// Rows above the crop.
        top: usize,
        /// Columns left of the crop.
        left: usize,
        /// Height and width of the stored images.
        stored: [usize; 2],
    },
    /// A plan was used on a split of another length.
    #[error("the plan was made for {planned} records, split `{split}` has {records}")]
    PlanLength {
        /// The split.
        split: String,
        /// The number of records the plan orders.
        planned: usize,
        /// The number of records of the split.
        records: usize,
    },
    /// A step beyond the end of an epoch.
    #[error("step {step} was asked of an epoch of {steps} steps")]
    NoSuchStep {
        /// The step asked for.
        step: usize,
        /// Steps in an epoch.
        steps: usize,
    },
    /// A setting outside its range.
    #[error("{name} = {got}: expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// The input of a preparation is not laid out as its source should be.
    #[error("{}: {problem}", path.display())]
    Source {
        /// The folder or file.
        path: PathBuf,
        /// What was found, what was expected and what to do.
        problem: String,
    },
    /// Images that could not be used, in a strict preparation.
    #[error(
        "{count} of {images} images cannot be read as they should (first: {first}); repair or remove them, or prepare without `strict` to skip and report them"
    )]
    Strict {
        /// How many images are unreadable or damaged.
        count: u64,
        /// How many there are.
        images: u64,
        /// The first few: path and reason.
        first: String,
    },
    /// The output folder holds a finished dataset.
    #[error(
        "{} already holds a finished dataset: use it, remove it, or give another output folder",
        path.display()
    )]
    AlreadyPrepared {
        /// The folder.
        path: PathBuf,
    },
    /// The output folder holds what an interrupted preparation left.
    #[error(
        "{} holds an unfinished preparation (shards, but neither manifest.json nor what is needed to go on): remove it, or give another output folder",
        path.display()
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// The output folder holds something else.
    #[error(
        "{} is not empty (it holds {entry}): give an empty or a new folder",
        path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// One thing it holds.
        entry: String,
    },
    /// The output folder holds the beginning of another preparation.
    #[error(
        "{} holds the beginning of another preparation ({difference}): run that command again, remove the folder, or give another one",
        path.display()
    )]
    OtherPreparation {
        /// The folder.
        path: PathBuf,
        /// In what it differs.
        difference: String,
    },
    /// Another process is preparing into the output folder.
    #[error(
        "another process is preparing into {}: wait for its end, or give another output folder",
        path.display()
    )]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Another process is preparing the same part.
    #[error("another process is preparing part {part} into {}: wait for its end", path.display())]
    PartBusy {
        /// The folder.
        path: PathBuf,
        /// The part, as `3/16`.
        part: String,
    },
    /// A folder that was to be merged holds no part of a dataset.
    #[error(
        "{} holds no part of a dataset: give the output folders of preparations with `--part`",
        path.display()
    )]
    NotAPart {
        /// The folder.
        path: PathBuf,
    },
    /// Two parts that do not belong together.
    #[error(
        "{} and {} hold parts of different datasets ({difference}): prepare both from the same input with the same options",
        first.display(), path.display()
    )]
    OtherPart {
        /// The folder that differs.
        path: PathBuf,
        /// The folder it differs from.
        first: PathBuf,
        /// In what.
        difference: String,
    },
    /// Parts that have not been made, or not to their end.
    #[error(
        "{missing} of {shards} shards are missing for {} ({names}): make them with {advice}, then merge again",
        path.display()
    )]
    MissingShards {
        /// The folder of the dataset.
        path: PathBuf,
        /// How many are missing.
        missing: usize,
        /// How many there are.
        shards: usize,
        /// The first of them.
        names: String,
        /// With what they are made.
        advice: String,
    },
    /// The preparation was asked to stop.
    #[error("interrupted; the same command goes on from the last whole shard in {}", path.display())]
    Interrupted {
        /// The output folder.
        path: PathBuf,
    },
    /// A budget that the dataset cannot keep to.
    #[error(
        "a budget of {} is too small: with every record a JPEG of quality {quality} the dataset takes about {}; allow that much, or give {advice}, or a smaller size",
        in_words(*budget), in_words(*needed)
    )]
    Budget {
        /// Bytes allowed.
        budget: u64,
        /// The quality asked for.
        quality: u8,
        /// Bytes it would take, as far as they are known.
        needed: u64,
        /// What else would do.
        advice: String,
    },
    /// A shard whose images need far more bytes than those the budget was settled on.
    #[error(
        "{shard} does not keep to its share of the budget even at the lowest quality: give a larger budget, or put images that take so many bytes elsewhere"
    )]
    Share {
        /// The shard's file name.
        shard: String,
    },
    /// Not one image of the train split could be read.
    #[error("no image of the train split could be read: see to the input")]
    NoImages,
    /// A thread of the preparation ended without a result.
    #[error(
        "a worker thread of the preparation panicked; please report this (the same command goes on from the last whole shard)"
    )]
    Worker,
}

/// Why the bytes of one image could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file is neither JPEG nor PNG, whatever its name says.
    #[error("neither JPEG nor PNG: starts with {start}")]
    Format {
        /// The first bytes, in hexadecimal.
        start: String,
    },
    /// The header claims more pixels than [`MAX_PIXELS`](crate::MAX_PIXELS).
    #[error("{height}×{width} pixels, more than the limit of {limit}")]
    TooLarge {
        /// Rows the header claims.
        height: usize,
        /// Columns the header claims.
        width: usize,
        /// The limit in pixels.
        limit: usize,
    },
    /// The file ends before the picture does.
    #[error("truncated: the file ends before the picture does")]
    Truncated,
    /// The decoder gave up.
    #[error("{reason}")]
    Broken {
        /// The decoder's own reason, on one line.
        reason: String,
    },
    /// A size of zero was asked for, or one too large to be an image.
    #[error("images of side {size} were asked for: expected 1 to {limit}")]
    Size {
        /// The size asked for.
        size: usize,
        /// The largest size.
        limit: usize,
    },
}

impl Error {
    /// For `map_err`: the operating system refused `action` on `path`.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// A part of a file is not what was written.
    pub(crate) fn damaged(
        path: impl Into<PathBuf>,
        what: &'static str,
        expected: impl ToString,
        got: impl ToString,
    ) -> Self {
        let (expected, got) = (expected.to_string(), got.to_string());
        Self::Damaged { path: path.into(), what, expected, got }
    }
}
