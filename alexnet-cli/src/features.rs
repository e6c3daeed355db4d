//! `alexnet features`: the outputs of a layer for a dataset or for images, as arrays.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alexnet_data::Dataset;
use alexnet_train::{
    Checkpoint, FeatureFile, FeatureImages, check_preprocessing, data_checksum, features,
};
use anyhow::{Context, Result};

use crate::device::DeviceArguments;
use crate::numbers::{THREADS, within};
use crate::output::{Report, json_path};
use crate::progress::with_bar;
use crate::weights;

/// Write what a layer makes of images, for programs that learn from it: by default the outputs of
/// the last hidden layer, 4,096 numbers of `original`. The network sees the centre crop
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or its final.safetensors or checkpoint.safetensors
    #[arg(long, value_name = "RUN|FILE")]
    checkpoint: PathBuf,
    /// Dataset folder, made by `alexnet prepare-data`: all images of a split, with their labels
    #[arg(long, conflicts_with = "images", required_unless_present = "images")]
    data: Option<PathBuf>,
    /// The split of the dataset: train, val, test
    #[arg(long, default_value = "train", requires = "data")]
    split: String,
    /// JPEG, PNG, BMP, GIF, WebP or TIFF files
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
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
    let Arguments { output, device, .. } = arguments;
    let path = weights::file(&arguments.checkpoint)?;
    let checkpoint = Checkpoint::load(&path)?;
    let layer = match (&arguments.layer, checkpoint.network.last_hidden()) {
        (Some(layer), _) => layer.as_str(),
        (None, hidden) => hidden.context("the network has one layer only: name it with --layer")?,
    };
    let shape = checkpoint.network.output_of(layer)?;
    let devices = device.open_all()?;
    let inputs = devices.iter().map(|device| checkpoint.input(&path, device));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let network = checkpoint.network_on(&devices)?;

    let data = arguments.data.as_deref().map(Dataset::open).transpose()?;
    let images = match &data {
        Some(data) => {
            check_preprocessing(&path, &checkpoint, data)?;
            FeatureImages::Split(data.split(&arguments.split)?)
        }
        None => FeatureImages::Files(&arguments.images, checkpoint.preprocessing),
    };
    let mut metadata = BTreeMap::from([
        ("network".to_owned(), checkpoint.network.name.clone()),
        ("layer".to_owned(), layer.to_owned()),
        ("checkpoint".to_owned(), json_path(&path).into_owned()),
        ("checkpoint_checksum".to_owned(), checkpoint.checksum.clone()),
    ]);
    let labels = match &data {
        Some(data) => {
            let split = data.split(&arguments.split)?;
            let classes = data.manifest().classes.iter().map(|class| &class.name);
            metadata.extend([
                ("dataset".to_owned(), json_path(data.dir()).into_owned()),
                ("dataset_checksum".to_owned(), data_checksum(data)?),
                ("split".to_owned(), split.name().to_owned()),
                ("classes".to_owned(), serde_json::to_string(&classes.collect::<Vec<_>>())?),
            ]);
            Some((0..split.len()).map(|i| split.label(i)).collect::<Result<Vec<_>, _>>()?)
        }
        None => {
            let paths: Vec<_> = arguments.images.iter().map(|file| json_path(file)).collect();
            metadata.insert("images".to_owned(), serde_json::to_string(&paths)?);
            None
        }
    };

    let count = images.count();
    let mut file = FeatureFile::create(output, shape, count, labels.as_deref(), &metadata)?;
    let cores = || std::thread::available_parallelism().map_or(1, Into::into);
    let threads = arguments.loader_threads.unwrap_or_else(cores);
    with_bar("features", |report| {
        let mut done = 0;
        features(&network, images, &inputs, layer, threads, &mut |rows| {
            file.write(rows)?;
            done += rows.dim(0)? as u64;
            report(done, count as u64);
            Ok(())
        })
    })?;
    file.commit()?;
    let numbers = shape.dims().iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
    writeln!(Report, "{count} × {numbers} from layer {layer}: {}", output.display())?;
    Ok(())
}
