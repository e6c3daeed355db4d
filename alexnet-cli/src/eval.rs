//! `alexnet eval`: the error rates of weights on a dataset.

use std::path::PathBuf;

use alexnet_data::Dataset;
use alexnet_train::{Checkpoint, check_classes, evaluate};
use anyhow::{Result, ensure};

use crate::progress::bar;
use crate::weights::WeightsArguments;

/// Error rates of weights on a dataset
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Dataset folder, made by `alexnet prepare-data`
    #[arg(long)]
    data: PathBuf,
    #[command(flatten)]
    weights: WeightsArguments,
    /// The split of the dataset: train, val, test
    #[arg(long, default_value = "val")]
    split: String,
    /// Threads that read images
    #[arg(long, default_value_t = 1)]
    loader_threads: usize,
    /// Print one JSON object: images, views, loss, top1_error, top5_error (per cent)
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let WeightsArguments { checkpoint: path, views, device } = &arguments.weights;
    let devices = device.open_all()?;
    let data = Dataset::open(&arguments.data)?;
    let split = data.split(&arguments.split)?;
    let checkpoint = Checkpoint::load(path)?;
    let classes: Vec<String> = data.manifest().classes.iter().map(|c| c.name.clone()).collect();
    check_classes(path, &checkpoint.classes, &arguments.data, &classes)?;
    let inputs = devices.iter().map(|device| checkpoint.input(path, device));
    let (inputs, sizes): (Vec<_>, Vec<_>) =
        inputs.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let (stored, found) = (sizes[0], [split.height(), split.width()]);
    ensure!(
        found == stored,
        "{} was trained on images of {stored:?} px, but those of {} are {found:?} px; \
         prepare the dataset with the same --size",
        path.display(),
        arguments.data.display()
    );
    let bar = bar("evaluate", split.len() as u64);
    let network = checkpoint.network_on(&devices)?;
    let mut progress = |images: usize| bar.set_position(images as u64);
    let score =
        evaluate(&network, split, &inputs, *views, arguments.loader_threads, &mut progress)?;
    bar.finish_and_clear();
    if arguments.json {
        println!("{}", serde_json::to_string(&score)?);
    } else {
        println!(
            "{} images of split `{}`, {} view{}: top-1 error {:.2} %, top-5 error {:.2} %, \
             loss {:.4}",
            score.images,
            arguments.split,
            score.views,
            if score.views == 1 { "" } else { "s" },
            score.top1_error,
            score.top5_error,
            score.loss
        );
    }
    Ok(())
}
