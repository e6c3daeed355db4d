//! The errors of training, of evaluation and of a run's files.

use std::path::PathBuf;

use alexnet_data::Holder;
use thiserror::Error;

use crate::recipe::changed_value::ChangedValue;

/// An error. Its message is one line that says what is wrong and what to do.
#[derive(Debug, Error)]
pub enum Error {
    /// An error of the dataset.
    #[error(transparent)]
    Data(#[from] alexnet_data::Error),
    /// An error of the network's description.
    #[error(transparent)]
    Network(#[from] alexnet_model::SpecError),
    /// An error of an operation.
    #[error("{0}")]
    Tensor(#[from] candle_core::Error),
    /// A file of the run that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A recipe that is wrong.
    #[error("recipe {origin}: {message}")]
    Recipe {
        /// The preset or file.
        origin: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// Images that are smaller than the network's crops.
    #[error(
        "network `{network}` takes crops of {crop:?} px, but the images of {} are {stored:?} px; \
         {advice}", data.display()
    )]
    ImagesTooSmall {
        /// The network.
        network: String,
        /// Height and width of a crop.
        crop: [usize; 2],
        /// The dataset.
        data: PathBuf,
        /// Height and width of its images.
        stored: [usize; 2],
        /// What to do.
        advice: String,
    },
    /// Weights for another number of classes than the dataset's.
    #[error(
        "{} tells {weights} classes apart, but dataset {} has {dataset}: \
         evaluate on the dataset the weights were trained for", checkpoint.display(), data.display()
    )]
    Classes {
        /// The weights.
        checkpoint: PathBuf,
        /// Their number of classes.
        weights: usize,
        /// The dataset.
        data: PathBuf,
        /// Its number of classes.
        dataset: usize,
    },
    /// Weights for other classes than the dataset's.
    #[error(
        "{}: class {index} is `{weights}`, but `{dataset}` in dataset {}: \
         evaluate on the dataset the weights were trained for", checkpoint.display(), data.display()
    )]
    ClassNames {
        /// The weights.
        checkpoint: PathBuf,
        /// The dataset.
        data: PathBuf,
        /// The first class that differs.
        index: usize,
        /// Its name in the weights.
        weights: String,
        /// Its name in the dataset.
        dataset: String,
    },
    /// Weights of images that became pixels otherwise than the dataset's.
    #[error(
        "{} was trained on images prepared with {weights}, but those of dataset {} were prepared \
         with {dataset}: evaluate on a dataset prepared with {weights}",
        checkpoint.display(), data.display()
    )]
    Preprocessing {
        /// The weights.
        checkpoint: PathBuf,
        /// The dataset.
        data: PathBuf,
        /// The setting with which their images were prepared, as `--exif apply`.
        weights: String,
        /// That of the dataset.
        dataset: String,
    },
    /// Saved probabilities of other images or classes than those they are to be combined with.
    #[error(
        "{}: its {what} is `{got}`, but `{expected}` in {}: combine probabilities of the same \
         split of the same dataset", path.display(), other.display()
    )]
    OtherImages {
        /// The file.
        path: PathBuf,
        /// What differs, as `split`.
        what: Box<str>,
        /// What it is in the file.
        got: Box<str>,
        /// The other file, or the dataset.
        other: PathBuf,
        /// What it is there.
        expected: Box<str>,
    },
    /// Another process is at work in the folder of this run.
    #[error(
        "{holder} is training in {}: wait for its end, or name another folder with --run",
        run.display()
    )]
    RunBusy {
        /// The folder.
        run: PathBuf,
        /// The process.
        holder: Holder,
    },
    /// This folder already holds a run.
    #[error(
        "{} already holds a run; go on with it by --resume, or name another folder with --run",
        .0.display()
    )]
    RunExists(PathBuf),
    /// This folder holds no run to go on with.
    #[error(
        "{} holds no run to resume: run.json is missing; leave out --resume to start one",
        .0.display()
    )]
    NoRun(PathBuf),
    /// A run that was to be resumed with other numbers than it has.
    #[error(
        "{} has other numbers than were asked for ({}): leave them out to resume it as it is, or \
         add --change to go on with the new ones",
        run.display(),
        listed(changes)
    )]
    OtherNumbers {
        /// The folder.
        run: PathBuf,
        /// From those that it has to those that were asked for.
        changes: Vec<ChangedValue>,
    },
    /// A run that was to be resumed is another one.
    #[error(
        "{} began with another {what}: leave that out to resume it, or name another folder with \
         --run",
        run.display()
    )]
    OtherRun {
        /// The folder.
        run: PathBuf,
        /// In what it differs.
        what: &'static str,
    },
    /// This folder holds a run of another experiment.
    #[error(
        "{} holds a run of another network, recipe or dataset than this experiment's: name another \
         folder with --output", .0.display()
    )]
    OtherExperiment(PathBuf),
    /// A factor of an ablation that there is not, or that the base does not have.
    #[error("{0}")]
    Factor(String),
    /// Threads that the system does not give.
    #[error("threads to compute with: {0}")]
    Threads(String),
    /// A dataset that is not the one the run started with.
    #[error(
        "run {} was trained on another dataset than {}; resume it with the one it began with",
        run.display(), data.display()
    )]
    OtherDataset {
        /// The run.
        run: PathBuf,
        /// The dataset that was given.
        data: PathBuf,
    },
    /// A file that is damaged, or that no run wrote.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A file of weights of others, or for others, that cannot be read or made.
    #[error("{}: {what}{}; {advice}", path.display(), facts(expected, got))]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the name of the tensor or the layer.
        what: Box<str>,
        /// What was expected; empty where `what` says it.
        expected: Box<str>,
        /// What is there instead; empty where `what` says it.
        got: Box<str>,
        /// What to do.
        advice: Box<str>,
    },
    /// A loss, an output, a weight or a velocity that is not finite.
    #[error(
        "{what} is {value} at epoch {}, step {}{}: training has diverged and was not saved; start \
         again with a lower rate (--set weights.rate=…), or let it go back by itself \
         (--on-divergence rollback)",
        epoch + 1,
        step + 1,
        layer.as_ref().map(|layer| format!(", first in layer {layer}")).unwrap_or_default()
    )]
    Diverged {
        /// What is not finite.
        what: String,
        /// What it is instead.
        value: f32,
        /// The layer in which it began, where that is known.
        layer: Option<String>,
        /// The epoch, from 0; the message counts from 1.
        epoch: usize,
        /// The step within it, from 0; the message counts from 1.
        step: usize,
    },
    /// The run was asked to stop before what was asked for was done.
    #[error("stopped")]
    Stopped,
    /// Weights with which the network's outputs are not finite.
    #[error("the network's outputs are not finite: its weights have diverged; take others")]
    Outputs,
    /// A network whose kernels cannot be looked at.
    #[error("network `{network}` has no kernels to look at: {reason}")]
    NoKernels {
        /// The network.
        network: String,
        /// Why.
        reason: String,
    },
    /// A GPU, or a machine, with too little free memory.
    #[error(
        "{device}: a step with a batch of {batch} needs about {:.1} GB, {:.1} GB are free{}",
        *needs as f64 / 1e9,
        *free as f64 / 1e9,
        advice(device, *fits)
    )]
    Memory {
        /// The GPU, or `cpu`.
        device: String,
        /// The number of images in the batch.
        batch: usize,
        /// The bytes that it needs.
        needs: u64,
        /// The bytes that are free.
        free: u64,
        /// The largest batch that fits; 0 if none does.
        fits: usize,
    },
    /// A file of features whose name says no format.
    #[error("{}: expected a name that ends in .safetensors or .npy", .0.display())]
    FeatureFile(PathBuf),
    /// An image file that cannot be decoded.
    #[error("{}: {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: alexnet_data::DecodeError,
    },
    /// An error of opening a device.
    #[error(transparent)]
    Device(#[from] alexnet_kernels::DeviceError),
    /// A loader thread that ended without an error.
    #[error("a loader thread stopped early; this is a fault of this program")]
    LoaderGone,
}

/// The first of some changed_values, and how many more there are.
fn listed(changes: &[ChangedValue]) -> String {
    let first = changes.iter().take(3).map(ChangedValue::to_string).collect::<Vec<_>>().join("; ");
    match changes.len().saturating_sub(3) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

/// What was expected and what is there, where that is known.
fn facts(expected: &str, got: &str) -> String {
    if expected.is_empty() { String::new() } else { format!(": expected {expected}, got {got}") }
}

fn advice(device: &str, fits: usize) -> String {
    match fits {
        0 if device == "cpu" => ": not one image fits; end other programs".to_owned(),
        0 => ": not one image fits; end other programs on the GPU or take another".to_owned(),
        fits => format!(": a batch of {fits} fits (--set batch={fits}; for bench --batch {fits})"),
    }
}

impl Error {
    /// Adds the file to an error of the system, for `map_err`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }
}
