//! `alexnet features`: the outputs of a layer for a dataset or for images, as arrays.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alexnet_data::Dataset;
use alexnet_train::{FeatureImages, ImageSource, check_preprocessing, data_checksum};
use anyhow::{Context, Result};

use crate::device::DeviceArguments;
use crate::figure::checkpoint::Loaded;
use crate::images::{ImageArguments, paths};
use crate::layer_output::LayerOutput;
use crate::numbers::{THREADS, cores, within};
use crate::output::json_path;
use crate::weights;

/// Write what a layer makes of images, for programs that learn from it: by default the outputs of
/// the last hidden layer, 4,096 numbers of `original`. The network sees the centre crop
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or its final.safetensors or checkpoint.safetensors
    #[arg(long, value_name = "RUN|FILE")]
    checkpoint: PathBuf,
    /// Dataset folder, made by `alexnet prepare-data`: all images of a split, with their labels
    #[arg(
        long,
        conflicts_with_all = ["images", "list"],
        required_unless_present_any = ["images", "list"]
    )]
    data: Option<PathBuf>,
    /// The split of the dataset: train, val, test
    #[arg(long, default_value = "train", requires = "data")]
    split: String,
    #[command(flatten)]
    images: ImageArguments,
    /// Any layer of the network's file; a layer before its activation, as fc7, is not the same as
    /// that activation, as relu7 [default: the last before the classes, dropout apart]
    #[arg(long)]
    layer: Option<String>,
    /// NAME.safetensors, with `features`, `labels` and metadata; or NAME.npy, with the labels of a
    /// dataset beside it in NAME.labels.npy. Rows are in the order of the images
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Threads that read images; the result does not depend on it [default: one for each core]
    #[arg(long, value_parser = within::<usize>(THREADS))]
    loader_threads: Option<usize>,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let loaded = Loaded::new(weights::file(&arguments.checkpoint)?, &arguments.device.open_all()?)?;
    let checkpoint = &loaded.checkpoint;
    let layer = match (&arguments.layer, checkpoint.network.last_hidden()) {
        (Some(layer), _) => layer.as_str(),
        (None, hidden) => hidden.context("the network has one layer only: name it with --layer")?,
    };
    let data = arguments.data.as_deref().map(Dataset::open).transpose()?;
    let files: Vec<ImageSource>;
    let (images, labels, metadata) = match &data {
        Some(data) => {
            check_preprocessing(&loaded.file, checkpoint, data)?;
            let split = data.split(&arguments.split)?;
            let labels = (0..split.len()).map(|i| split.label(i)).collect::<Result<Vec<_>, _>>()?;
            let classes = data.manifest().classes.iter().map(|class| &class.name);
            let metadata = BTreeMap::from([
                ("dataset".to_owned(), json_path(data.dir()).into_owned()),
                ("dataset_checksum".to_owned(), data_checksum(data)?),
                ("split".to_owned(), split.name().to_owned()),
                ("classes".to_owned(), serde_json::to_string(&classes.collect::<Vec<_>>())?),
            ]);
            (FeatureImages::Split(split), Some(labels), metadata)
        }
        None => {
            files = arguments.images.all()?;
            let metadata = BTreeMap::from([("images".to_owned(), paths(&files)?)]);
            (FeatureImages::Files(&files, checkpoint.preprocessing), None, metadata)
        }
    };
    let (labels, tensor) = (labels.as_deref(), "features");
    let loader_threads = arguments.loader_threads.unwrap_or_else(cores);
    let loaded = &loaded;
    LayerOutput { loaded, layer, tensor, images, labels, metadata, loader_threads }
        .write(&arguments.output)
}
