//! Everything that can go wrong with a dataset, each as one line that a person can act on.

use crate::holder::Holder;
use crate::phrases::{byte_count, length_changed};
use std::path::PathBuf;

/// A result, by default with an [`Error`] of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. Its text is one line: what is wrong, what was expected, what to do.
///
/// ```
/// let error = alexnet_data::Dataset::open("missing".as_ref()).unwrap_err();
/// assert!(error.to_string().starts_with("cannot read missing/manifest.json: "));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {path}: {source}")]
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
        "{0} is not a dataset: it holds no manifest.json; \
         give a folder that a finished preparation wrote"
    )]
    NotADataset(PathBuf),
    /// The file is of another format version.
    #[error(
        "{path} has format version {got}, this program reads version {expected}: \
         prepare the dataset again, or use the program that wrote it"
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
        "{path} is damaged: {what} should be {expected}, found {got}; \
         copy the file again, or repair the dataset with `alexnet verify --repair`"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A record's bytes do not match its checksum.
    #[error(
        "{path} is damaged: record {record} of the file has checksum {got:08x}, \
         the index says {expected:08x}; \
         copy the file again, or repair the dataset with `alexnet verify --repair`"
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
    /// A record cannot be read any more, because its shard was cut short, or grew, after it was
    /// opened, or because its disk or network fails.
    #[error(
        "{path} {} at record {record}; \
         copy the file again, or repair the dataset with `alexnet verify --repair`",
        length_changed(*expected, *found)
    )]
    UnreadableRecord {
        /// The shard.
        path: PathBuf,
        /// The record's number inside the shard.
        record: usize,
        /// The length of the file when it was opened.
        expected: u64,
        /// Its length now.
        found: u64,
    },
    /// A record has the right checksum, but is not an image of the stored size.
    #[error(
        "{path}: record {record} has the right checksum, but is no JPEG of {height}×{width} \
         pixels ({reason}): it was written like this; prepare the dataset again"
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
    #[error("there is no split `{name}` in {path}; it has: {}", present.join(", "))]
    UnknownSplit {
        /// The requested name.
        name: String,
        /// The dataset.
        path: PathBuf,
        /// The names of the splits it has.
        present: Vec<String>,
    },
    /// A record number is beyond the end of a split.
    #[error("split `{split}` has {records} records, so there is no record {record} (from 0)")]
    NoSuchRecord {
        /// The split.
        split: String,
        /// The requested number.
        record: usize,
        /// How many records the split has.
        records: usize,
    },
    /// A crop does not lie inside the stored image.
    #[error(
        "a crop of {}×{} at ({top}, {left}) does not fit the stored {}×{}: \
         choose a smaller crop or prepare larger images",
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
    /// A step is beyond the end of an epoch.
    #[error("an epoch has {steps} steps, so there is no step {step} (from 0)")]
    NoSuchStep {
        /// The requested step.
        step: usize,
        /// Steps in an epoch.
        steps: usize,
    },
    /// A setting is outside its range.
    #[error("{name} = {got}: expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// The input of a preparation does not have the layout of its source, or no usable image.
    #[error("{path}: {problem}")]
    Source {
        /// The folder or file.
        path: PathBuf,
        /// What was found, what was expected and what to do.
        problem: String,
    },
    /// A strict preparation met images that cannot be used.
    #[error(
        "{count} of {images} images cannot be read as they should (first: {first}); \
         repair or remove them, or prepare without `strict` to skip and report them"
    )]
    Strict {
        /// How many images are unreadable or damaged.
        count: u64,
        /// How many there are.
        images: u64,
        /// The first few: path and reason.
        first: String,
    },
    /// No image of the input is left to make a dataset of.
    #[error("{path}: {what} (first: {first}); {report} in the output folder names every one")]
    NoImages {
        /// The input, or its train tree.
        path: PathBuf,
        /// What it lacks.
        what: String,
        /// The first image that was skipped, and the reason.
        first: String,
        /// The name of the report, which is all that the output folder then holds.
        report: &'static str,
    },
    /// A strict preparation found a class without images, or a part of the input that it does not
    /// use.
    #[error("{what}; change the input, or prepare without `strict` to report it only")]
    Incomplete {
        /// What was found.
        what: String,
    },
    /// The output folder holds a finished dataset.
    #[error(
        "{0} already holds a finished dataset: \
         use it, remove it, or give another output folder"
    )]
    AlreadyPrepared(PathBuf),
    /// The output folder holds shards of an interrupted preparation that cannot be continued.
    #[error(
        "{0} holds an unfinished preparation (shards, but neither manifest.json nor what is \
         needed to continue): remove it, or give another output folder"
    )]
    Unfinished(PathBuf),
    /// The output folder holds something else.
    #[error("{path} is not empty (it holds {entry}): give an empty or a new folder")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// One thing it holds.
        entry: String,
    },
    /// The output folder holds the beginning of another preparation.
    #[error(
        "{path} holds the beginning of another preparation ({difference}): \
         run that command again, remove the folder, or give another one"
    )]
    OtherPreparation {
        /// The folder.
        path: PathBuf,
        /// In what it differs.
        difference: String,
    },
    /// Another process is preparing into the output folder.
    #[error(
        "{holder} is preparing into {path}: \
         wait for its end, or give another output folder"
    )]
    Busy {
        /// The folder.
        path: PathBuf,
        /// The process.
        holder: Holder,
    },
    /// Another process is preparing the same part.
    #[error("{holder} is preparing part {part} into {path}: wait for its end")]
    PartBusy {
        /// The process.
        holder: Holder,
        /// The folder.
        path: PathBuf,
        /// The part, as `3/16`.
        part: String,
    },
    /// A folder to be merged holds no part of a dataset.
    #[error(
        "{0} holds no part of a dataset: \
         give the output folders of preparations with `--part`"
    )]
    NotAPart(PathBuf),
    /// Two parts do not belong together.
    #[error(
        "{first} and {path} hold parts of different datasets ({difference}): \
         prepare both from the same input with the same options"
    )]
    OtherPart {
        /// The folder that differs.
        path: PathBuf,
        /// The folder it differs from.
        first: PathBuf,
        /// In what.
        difference: String,
    },
    /// Parts to be merged lack shards: some parts were not made, or not to their end.
    #[error(
        "{missing} of {shards} shards are missing for {path} ({names}): \
         make them with {advice}, then merge again"
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
        /// The arguments that make them.
        advice: String,
    },
    /// The caller stopped the preparation.
    #[error("interrupted; the same command continues after the last whole shard in {0}")]
    Interrupted(PathBuf),
    /// The dataset cannot be as small as the budget says.
    #[error(
        "a budget of {} is too small: with every record a JPEG of quality {quality} the dataset \
         takes about {}; allow that much, or give {advice}, or a smaller size",
        byte_count(*budget), byte_count(*needed)
    )]
    Budget {
        /// Allowed bytes.
        budget: u64,
        /// The requested quality.
        quality: u8,
        /// The bytes it would take, estimated from a sample.
        needed: u64,
        /// What else would do.
        advice: String,
    },
    /// The images of one shard need far more bytes than the sample that the budget relied on.
    #[error(
        "{0} does not keep to its share of the budget even at the lowest quality: \
         give a larger budget, or put images that take so many bytes elsewhere"
    )]
    Share(String),
    /// A thread of the preparation ended without a result.
    #[error(
        "a worker thread of the preparation panicked; please report this \
         (the same command continues after the last whole shard)"
    )]
    Worker,
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

    /// Whether the system refused something, which says nothing about what lies on disk: memory or
    /// open files ran out, a permission is missing, a device fails. A file that is not there, or
    /// where something else lies in its place, is no refusal.
    pub fn is_refusal(&self) -> bool {
        use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
        let source = match self {
            Self::Io { source, .. } => source,
            // With its length unchanged, the file is there, and the system does not read it.
            Self::UnreadableRecord { expected, found, .. } => return expected == found,
            _ => return false,
        };
        !matches!(source.kind(), NotFound | InvalidData | UnexpectedEof)
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

    /// Refuses a setting that is not `ok`.
    pub(crate) fn check(
        ok: bool,
        name: &'static str,
        expected: &'static str,
        got: &dyn ToString,
    ) -> Result<()> {
        if ok { Ok(()) } else { Err(Self::Setting { name, expected, got: got.to_string() }) }
    }

    /// The input of a preparation is not as its source should be.
    pub(crate) fn source(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Source { path: path.into(), problem: problem.into() }
    }
}

/// The text without line breaks and other signs that change a terminal, which names may have.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// The first few of these names, for an error.
pub(crate) fn few(names: &[String]) -> String {
    let named = names.len().min(8);
    one_line(&names[..named].join(", ")) + if named < names.len() { ", …" } else { "" }
}
