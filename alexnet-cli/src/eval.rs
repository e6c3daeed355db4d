//! `alexnet eval`: the error rates of weights on a dataset.

use std::path::PathBuf;

use alexnet_data::Dataset;
use alexnet_train::{Evaluation, check_classes, check_preprocessing, evaluate};
use anyhow::Result;

use crate::numbers::{THREADS, within};
use crate::output::Report;
use crate::progress::with_bar;
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
    #[arg(long, default_value_t = 1, value_parser = within::<usize>(THREADS))]
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
    let checkpoint = arguments.weights.load()?;
    check_classes(path, &checkpoint, &data)?;
    check_preprocessing(path, &checkpoint, &data)?;
    let inputs = devices.iter().map(|device| checkpoint.input(path, device));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let (network, threads) = (checkpoint.network_on(&devices)?, arguments.loader_threads);
    let score = with_bar("evaluate", |report| {
        let mut progress = |images: usize| report(images as u64, split.len() as u64);
        evaluate(&network, split, &inputs, *views, threads, &mut progress)
    })?;
    if arguments.json {
        writeln!(Report, "{}", serde_json::to_string(&score)?)?;
    } else {
        let Evaluation { images, views, loss, .. } = score;
        writeln!(
            Report,
            "{images} images of split `{}`, {views} view{}: {}, loss {loss:.4}",
            arguments.split,
            if views == 1 { "" } else { "s" },
            error_rates(&score)
        )?;
    }
    Ok(())
}

/// The error rates of an evaluation in words.
pub(crate) fn error_rates(score: &Evaluation) -> String {
    format!("top-1 error {:.2} %, top-5 error {:.2} %", score.top1_error, score.top5_error)
}
