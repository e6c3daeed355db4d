//! How the runs of a comparison are trained: the arguments that its commands share.

use std::path::PathBuf;
use std::thread::available_parallelism;

use alexnet_data::Views;
use alexnet_train::{Arm, ComputeDevice, Experiment, Recipe};
use anyhow::{Result, ensure};

use crate::demo;
use crate::device::DeviceArguments;
use crate::numbers::{REPETITIONS, THREADS, within};
use crate::output::tell;
use crate::stop;

/// How the runs of a comparison are trained
#[derive(Debug, clap::Args)]
pub(crate) struct RunsArguments {
    /// Dataset folder, made by `alexnet prepare-data`; without it, the demo dataset
    #[arg(long)]
    data: Option<PathBuf>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Passes over the training images; changes of rates come at the same shares of the run
    /// [default: the recipe's]
    #[arg(long, value_parser = within::<usize>(REPETITIONS))]
    epochs: Option<usize>,
    /// Change one number of all recipes, for example --set weights.rate=0.005; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Runs that are trained at the same time [default: one for each core; on GPUs 1]
    #[arg(long, value_parser = within::<usize>(THREADS))]
    jobs: Option<usize>,
    /// Threads that compute, for all runs together [default: one for each core]
    #[arg(long, value_parser = within::<usize>(THREADS))]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceArguments,
    /// Check every run and say what it would do, and train nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object for each table, or for the plan of --dry-run, and nothing else on
    /// standard output
    #[arg(long)]
    pub(crate) json: bool,
}

impl RunsArguments {
    /// Prints a line, unless only JSON is asked for.
    pub(crate) fn print(&self, line: &str) {
        if !self.json {
            tell(line);
        }
    }

    /// The recipe over the epochs that are asked for; `default` where none are.
    pub(crate) fn scaled(&self, recipe: Recipe, default: Option<usize>) -> Recipe {
        match self.epochs.or(default) {
            Some(epochs) => recipe.scaled_to(epochs),
            None => recipe,
        }
    }

    /// The dataset's folder: the one given, or that of the demo dataset.
    pub(crate) fn data(&self) -> Result<PathBuf> {
        match &self.data {
            Some(data) => Ok(data.clone()),
            None => demo::dataset(&|line| self.print(line)),
        }
    }

    /// Whether a dataset is named.
    pub(crate) fn has_data(&self) -> bool {
        self.data.is_some()
    }

    /// The experiment that trains `arms` with so many seeds each.
    pub(crate) fn experiment(
        &self,
        folder: PathBuf,
        arms: Vec<Arm>,
        seeds: u64,
        (split, views): (&str, Views),
    ) -> Result<Experiment> {
        let first = self.seed;
        ensure!(first.checked_add(seeds - 1).is_some(), "--seed {first}: no {seeds} seeds follow");
        let cores = available_parallelism().map_or(1, usize::from);
        let devices = self.device.open_all()?;
        let on_gpu = devices.iter().any(ComputeDevice::is_async);
        Ok(Experiment {
            folder,
            data: self.data()?,
            arms,
            seeds: (first..=first + (seeds - 1)).collect(),
            split: split.to_owned(),
            views,
            jobs: self.jobs.unwrap_or(if on_gpu { 1 } else { cores }),
            threads: self.threads.unwrap_or(cores),
            devices,
            stop: stop::by_signals()?,
        })
    }
}
