//! `alexnet train`: from a dataset, or from nothing, to final weights and error rates.

mod dry_run;
mod fine_tuning;
mod processor;
mod resume;
mod screen;
mod seeds;
mod unattended;

use std::path::{Path, PathBuf};

use alexnet_data::{Dataset, GivenStatistics, check_replaceable};
use alexnet_model::NetworkSpec;
use alexnet_train::{ComputeDevice, Ended, Job, Recipe, RunFolder, Stop, Task};
use anyhow::{Context, Result};
use serde_json::json;

use self::fine_tuning::FineTuningArguments;
use self::screen::Screen;
use self::unattended::UnattendedArguments;
use crate::device::DeviceArguments;
use crate::eval::error_rates;
use crate::message::one_line;
use crate::numbers::{REPETITIONS, THREADS, within};
use crate::output::{complain, json_path, tell};
use crate::width::{COLUMNS, fold};
use crate::{demo, file, preset, report};

/// Train a network; without --data, on a demo dataset drawn on the spot
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Dataset folder, made by `alexnet prepare-data`; without it, a demo dataset is made in
    /// data/demo
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder of the run: log, checkpoint, final weights [default: the first free runs/PRESET-N]
    #[arg(long)]
    run: Option<PathBuf>,
    /// Go on with the run in --run from its newest checkpoint: the same run, whatever ended it.
    /// What else is given has to be what it began with
    #[arg(long, requires = "run")]
    resume: bool,
    /// With --resume: go on with other numbers of the recipe, those of --set, --preset or --recipe
    #[arg(long, requires = "resume", conflicts_with = "seeds")]
    change: bool,
    #[arg(
        long,
        help = preset::names() + " [default: by the size of the images; demo without --data]"
    )]
    preset: Option<String>,
    /// A network of your own, in the form of the presets (alexnet-model/presets)
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    /// A recipe of your own, in the form of the presets (alexnet-train/recipes)
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Change one number of the recipe, for example --set weights.rate=0.005; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Mean and colour axes in the place of the dataset's: a JSON file, as in
    /// docs/preparing-imagenet.md
    #[arg(long, value_name = "FILE")]
    statistics: Option<PathBuf>,
    #[command(flatten)]
    fine_tuning: FineTuningArguments,
    /// Passes over the training images [default: the recipe's]
    #[arg(long, value_parser = within::<usize>(REPETITIONS))]
    epochs: Option<usize>,
    /// The seed of every random draw [default: 1]
    #[arg(long)]
    seed: Option<u64>,
    /// Make N runs, with this seed and the ones after it, one after another, each as if alone, in
    /// the folders seed-1, seed-2, … of --run; then evaluate all together. With --resume, those
    /// that are finished are kept, and an unfinished one goes on
    #[arg(long, value_name = "N", value_parser = within::<u64>(1..=1000))]
    seeds: Option<u64>,
    /// Threads that make batches; the result does not depend on it
    #[arg(long, default_value_t = 1, value_parser = within::<usize>(THREADS))]
    loader_threads: usize,
    #[command(flatten)]
    unattended: UnattendedArguments,
    #[command(flatten)]
    device: DeviceArguments,
    /// Open everything, do three steps and a batch of the validation in memory, and say how long
    /// the run would take, how much memory and how much of the disk; nothing is written
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object at the end and nothing else on standard output
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn job(
        &self,
        data: &Path,
        run: RunFolder,
        task: Task,
        devices: &[ComputeDevice],
        stop: &Stop,
    ) -> Job {
        let job = Job::new(data, run, task, devices.to_vec());
        self.unattended.apply(Job { loader_threads: self.loader_threads, ..job }, stop)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let print = |line: &str| {
        if !arguments.json {
            tell(&fold(line, COLUMNS));
        }
    };
    let devices = arguments.device.open_all()?;
    if arguments.dry_run {
        return dry_run::run(arguments, &devices, &print);
    }
    if let Some(count) = arguments.seeds {
        return seeds::run(arguments, count, &devices, &print);
    }
    let (task, run) = task(arguments, &print)?;
    check_files(&run)?;
    processor::test_unusual(&devices, &print)?;
    let data = match (&arguments.data, &task) {
        (Some(data), _) => data.clone(),
        (None, Task::Resume { .. }) => run.config()?.data,
        (None, Task::Start { .. }) => demo::dataset(&print)?,
    };
    let stop = arguments.unattended.stop()?;
    let job = arguments.job(&data, run.clone(), task, &devices, &stop);
    let mut screen = Screen::new(arguments.json);
    let ended = alexnet_train::train(&job, &mut |event| screen.show(event));
    let scores = match ended.map_err(|error| broken_off(error, &run))? {
        Ended::Complete(scores) => scores,
        Ended::Stopped { reason } => {
            stopped(arguments, &run, &reason);
            return Ok(());
        }
    };
    let (weights, page) = (run.weights(), run.page());
    let written = report::write(&[run.path().to_owned()], &page, &job.devices);
    if let Err(error) = &written {
        // The run is done, and `alexnet report` can write its page later.
        complain(&format!("warning: no page about this run: {}", one_line(error)));
    }
    let page = written.ok().map(|()| page);
    if arguments.json {
        let page = page.as_deref().map(json_path);
        let [run, weights] = [run.path(), &weights].map(json_path);
        let line = json!({"run": run, "weights": weights, "page": page, "validation": scores});
        tell(&line.to_string());
        return Ok(());
    }
    for score in &scores {
        let views = if score.views == 1 { "centre view" } else { "ten views" };
        tell(&format!("validation, {views}: {}", error_rates(score)));
    }
    tell(&format!("weights  {}", weights.display()));
    tell(&format!("log      {}", run.log().display()));
    tell(&format!("report   {}", run.report().display()));
    if let Some(page) = page {
        tell(&format!("page     {}", page.display()));
    }
    Ok(())
}

/// Says how to go on with a run that was stopped.
fn stopped(arguments: &Arguments, run: &RunFolder, reason: &str) {
    if arguments.json {
        tell(&json!({"run": json_path(run.path()), "stopped": reason}).to_string());
    } else {
        tell(&format!("stopped by {reason}; to go on:"));
        tell(&resuming(run));
    }
}

/// The command that goes on with a run.
fn resuming(run: &RunFolder) -> String {
    format!("alexnet train --resume --run {}", shell_word(run.path()))
}

/// The error of a training; where a shard failed it, with how to go on when the shard is whole.
fn broken_off(error: alexnet_train::Error, run: &RunFolder) -> anyhow::Error {
    use alexnet_data::Error::{DamagedRecord, UnreadableRecord};
    let advice = match &error {
        alexnet_train::Error::Data(DamagedRecord { .. } | UnreadableRecord { .. }) => {
            format!("{error}; then go on with `{}`", resuming(run))
        }
        _ => return error.into(),
    };
    anyhow::Error::new(error).context(advice)
}

/// A path as a shell takes it.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "-_./,:+=@%".contains(c);
    if text.chars().all(is_plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn task(arguments: &Arguments, print: &dyn Fn(&str)) -> Result<(Task, RunFolder)> {
    if arguments.resume {
        let run = arguments.run.as_deref().context("--resume needs --run DIR")?;
        let run = RunFolder::new(run);
        let asked = Box::new(resume::asked(arguments, &run)?);
        return Ok((Task::Resume { asked, may_change: arguments.change }, run));
    }
    let (task, run) = start(arguments, print)?;
    Ok((task, RunFolder::new(&run)))
}

/// What starts a run, and its folder: that of `--run`, or the first that is free.
fn start(arguments: &Arguments, print: &dyn Fn(&str)) -> Result<(Task, PathBuf)> {
    let (network, mut recipe) = network_and_recipe(arguments, print)?;
    recipe.epochs = arguments.epochs.unwrap_or(recipe.epochs);
    let pretrained = arguments.fine_tuning.apply(&network, &mut recipe)?;
    let run = arguments.run.clone();
    let run = run.unwrap_or_else(|| free_folder(Path::new("runs"), &recipe.name));
    let (recipe, network) = (Box::new(recipe), Box::new(network));
    let statistics = statistics(arguments)?.map(Box::new);
    let seed = arguments.seed.unwrap_or(1);
    Ok((Task::Start { recipe, network, seed, statistics, pretrained }, run))
}

/// The statistics of `--statistics`.
fn statistics(arguments: &Arguments) -> Result<Option<GivenStatistics>> {
    let read = |path: &PathBuf| -> Result<_> {
        // That of the largest images takes 270 MB.
        Ok(GivenStatistics::from_json(path, &file::read(path, 512 << 20)?)?)
    };
    arguments.statistics.as_ref().map(read).transpose()
}

/// The network and its recipe, each by its file, by the preset, or by the size of the images.
fn network_and_recipe(
    arguments: &Arguments,
    print: &dyn Fn(&str),
) -> Result<(NetworkSpec, Recipe)> {
    let Arguments { data, preset, network, recipe, set, .. } = arguments;
    if let (None, Some(file)) = (preset, recipe) {
        let recipe = preset::recipe("", Some(file), set)?;
        // A recipe of the user's own names its network.
        return Ok((preset::network(&recipe.network, network.as_deref())?, recipe));
    }
    let name = match (preset, data) {
        (Some(name), _) => name,
        (None, None) => "demo",
        (None, Some(data)) => {
            let data = Dataset::open(data)?;
            let side = data.manifest().height.min(data.manifest().width);
            let fitting = NetworkSpec::preset_for(side);
            match network {
                // A network of the user's own may take any size; then any recipe will do.
                Some(_) => fitting.ok().or(NetworkSpec::presets().next()).unwrap_or_default(),
                None => {
                    let name = fitting.with_context(|| data.dir().display().to_string())?;
                    print(&format!("no --preset given: `{name}` suits images of {side} px"));
                    name
                }
            }
        }
    };
    let recipe = preset::recipe(name, recipe.as_deref(), set)?;
    if let (Some(file), None) = (network, &arguments.recipe) {
        let file = file.display();
        print(&format!("no --recipe given: {file} is trained by the recipe of preset `{name}`"));
    }
    Ok((preset::network(name, network.as_deref())?, recipe))
}

/// Refuses a run's folder in which something else lies where a run has its files, before the run
/// spends an epoch on what it could not write.
fn check_files(run: &RunFolder) -> Result<()> {
    for path in [run.checkpoint(), run.weights(), run.report(), run.path().join("run.json")] {
        check_replaceable(&path)?;
    }
    let mut logs = run.logs().into_iter().filter(|path| path.exists());
    logs.try_for_each(|path| file::check_regular(&path))
}

/// `runs/NAME`, or the first of `runs/NAME-2`, `runs/NAME-3`, … that does not exist.
fn free_folder(runs: &Path, name: &str) -> PathBuf {
    let numbered = (2..).map(|n| runs.join(format!("{name}-{n}")));
    let mut all = std::iter::once(runs.join(name)).chain(numbered);
    all.find(|path| !path.exists()).unwrap_or_else(|| runs.join(name))
}
