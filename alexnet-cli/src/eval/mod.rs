//! `alexnet eval`: the error rates of weights on a dataset, of several each alone and together.

mod images;
pub(crate) mod networks;
mod report;
mod results;
mod tables;

use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;

use alexnet_data::{Dataset, Views, check_replaceable};
use alexnet_train::{Ensemble, Predictions, SavedProbabilities, Tops, save_probabilities};
use anyhow::{Result, ensure};

use self::images::Images;
use self::networks::Networks;
pub(crate) use self::report::error_rates;
use self::results::Results;
use crate::device::DeviceArguments;
use crate::numbers::{THREADS, within};
use crate::progress::with_bar;
use crate::weights::{VIEWS, views};

/// Error rates of weights on a dataset; of several, each alone and their mean together
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Dataset folder, made by `alexnet prepare-data`; --probabilities alone need none
    #[arg(long, required_unless_present = "probabilities")]
    data: Option<PathBuf>,
    /// The folder of a run, or its final.safetensors or checkpoint.safetensors. Of several the
    /// probabilities are averaged, each network counting the same: all are in memory at once
    #[arg(
        long, value_name = "RUN|FILE", num_args = 1.., required_unless_present = "probabilities",
        requires = "data"
    )]
    checkpoint: Vec<PathBuf>,
    /// Files of --save-probabilities for the same split, which are averaged with the networks of
    /// --checkpoint, or by themselves
    #[arg(long, value_name = "FILE", num_args = 1..)]
    probabilities: Vec<PathBuf>,
    #[arg(long, default_value = "1", value_parser = views, help = VIEWS)]
    views: Views,
    #[command(flatten)]
    device: DeviceArguments,
    /// The split of the dataset: train, val, test [default: val, or that of --probabilities]
    #[arg(long)]
    split: Option<String>,
    /// Count an image as right if its class is among the K most probable ones; classes that tie
    /// share the places
    #[arg(
        long, value_name = "K,K,…", value_delimiter = ',', default_value = "1,5",
        value_parser = within::<usize>(1..=1_000_000)
    )]
    top_k: Vec<usize>,
    /// Write a table of the errors of each class
    #[arg(long, value_name = "CSV")]
    per_class: Option<PathBuf>,
    /// Write a table of the images: class, most probable class, loss, and the share, 0 to 1, that
    /// is right for each K
    #[arg(long, value_name = "CSV")]
    per_image: Option<PathBuf>,
    /// Print the N pairs of classes that are confused most often
    #[arg(long, value_name = "N", value_parser = within::<usize>(1..=1_000_000))]
    confusions: Option<usize>,
    /// Write the probabilities of all classes for every image, averaged over views and members
    #[arg(long, value_name = "SAFETENSORS")]
    save_probabilities: Option<PathBuf>,
    /// Threads that read images [default: one for every four processors]
    #[arg(long, value_parser = within::<usize>(THREADS))]
    loader_threads: Option<usize>,
    /// Print one JSON object with all that is asked for: images, views, loss, top1_error and
    /// top5_error (per cent) of all together, the same of each of `members`, `per_class`,
    /// `confusions`
    #[arg(long)]
    json: bool,
    /// Print the summary as CSV: a line for each member, and one for all together
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let devices = arguments.device.open_all()?;
    let outputs = [&arguments.per_class, &arguments.per_image, &arguments.save_probabilities];
    outputs.into_iter().flatten().try_for_each(|path| check_replaceable(path))?;
    let saved = arguments.probabilities.iter().map(|path| SavedProbabilities::open(path));
    let saved = saved.collect::<Result<Vec<_>, _>>()?;
    let data = arguments.data.as_deref().map(Dataset::open).transpose()?;
    let mut images = Images::find(data.as_ref(), arguments.split.as_deref(), &saved)?;
    check_top_k(&arguments.top_k, images.info.classes.len())?;

    let networks = Networks::load(&arguments.checkpoint, images.dataset, &devices)?;
    let mut results = Results::new(Tops::new(&arguments.top_k), images.info.classes.clone());
    results.keep_images = arguments.per_image.is_some();
    for (path, member) in networks.described(images.dataset, arguments.views)? {
        results.add_member(path, member.views);
        images.info.members.push(member);
    }
    for file in &saved {
        results.add_member(file.path(), file.info().views());
        images.info.members.extend(file.info().members.iter().cloned());
    }
    let ensemble = Ensemble { networks: networks.members(), saved };
    predict(arguments, &images, ensemble, &mut results)?;
    report::write(arguments, &images.info.split, &results)
}

/// Predicts all images, adds them to `results`, and writes the file of probabilities, if any.
fn predict(
    arguments: &Arguments,
    images: &Images<'_>,
    mut ensemble: Ensemble<'_>,
    results: &mut Results,
) -> Result<()> {
    let threads = arguments.loader_threads.unwrap_or_else(loader_threads);
    let predicted = with_bar("evaluate", |report| {
        let mut add = |predictions: &Predictions<'_>| {
            results.add(predictions);
            report(predictions.records.end as u64, images.labels.len() as u64);
        };
        let mut pass = |each: &mut dyn FnMut(&Predictions<'_>) -> _| match images.dataset {
            Some((_, split)) => ensemble.predict(split, arguments.views, threads, each),
            None => ensemble.combine(each),
        };
        let Some(path) = &arguments.save_probabilities else {
            return pass(&mut |predictions| {
                add(predictions);
                Ok(())
            });
        };
        save_probabilities(path, &images.info, &images.labels, |file| {
            pass(&mut |predictions| {
                add(predictions);
                file.add(predictions.together)
            })
        })
    });
    Ok(predicted?)
}

/// A top-k error for more classes than there are would be 0 and mean nothing.
fn check_top_k(top_k: &[usize], classes: usize) -> Result<()> {
    let most = top_k.iter().max().copied().unwrap_or(1);
    ensure!(
        most <= classes.max(5),
        "--top-k {most}: there are {classes} classes, give at most {classes}"
    );
    Ok(())
}

/// A network takes 10 to 100 times as long for an image as reading it takes.
fn loader_threads() -> usize {
    available_parallelism().map_or(1, NonZero::get).div_ceil(4)
}
