//! `alexnet train`: from a dataset, or from nothing, to final weights and error rates.

mod screen;

use std::path::{Path, PathBuf};
use std::time::Duration;

use alexnet_train::{Job, RunFolder, Task};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use self::screen::Screen;
use crate::device::DeviceArguments;
use crate::eval::error_rates;
use crate::{demo, preset};

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
    /// Go on with the run in --run from its checkpoint
    #[arg(
        long, requires = "run",
        conflicts_with_all = ["preset", "network", "recipe", "set", "seed"]
    )]
    resume: bool,
    #[arg(long, help = preset::names() + " [default: original; demo without --data]")]
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
    /// Passes over the training images [default: the recipe's]
    #[arg(long)]
    epochs: Option<usize>,
    /// The seed of every random draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads that make batches; the result does not depend on it
    #[arg(long, default_value_t = 1)]
    loader_threads: usize,
    /// Minutes a run may go without a checkpoint; one is written after every epoch anyhow
    #[arg(long, default_value_t = 10)]
    checkpoint_minutes: u64,
    #[command(flatten)]
    device: DeviceArguments,
    /// Print one JSON object at the end and nothing else on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.loader_threads > 0, "--loader-threads 0: expected at least 1");
    ensure!(arguments.epochs != Some(0), "--epochs 0: expected at least 1");
    let print = |line: &str| {
        if !arguments.json {
            println!("{line}")
        }
    };
    let devices = arguments.device.open_all()?;
    let (task, run) = task(arguments)?;
    let data = match (&arguments.data, &task) {
        (Some(data), _) => data.clone(),
        (None, Task::Resume { .. }) => run.config()?.data,
        (None, Task::Start { .. }) => demo::dataset(&print)?,
    };
    let job = Job {
        data,
        run: run.clone(),
        task,
        loader_threads: arguments.loader_threads,
        checkpoint_every: Duration::from_secs(arguments.checkpoint_minutes.saturating_mul(60)),
        devices,
    };
    let mut screen = Screen::new(arguments.json);
    let scores = alexnet_train::train(&job, &mut |event| screen.show(event))?;
    if arguments.json {
        println!("{}", json!({"run": run.path(), "weights": run.weights(), "validation": scores}));
        return Ok(());
    }
    for score in &scores {
        let views = if score.views == 1 { "centre view" } else { "ten views" };
        println!("validation, {views}: {}", error_rates(score));
    }
    println!("weights  {}", run.weights().display());
    println!("log      {}", run.log().display());
    println!("report   {}", run.report().display());
    Ok(())
}

fn task(arguments: &Arguments) -> Result<(Task, RunFolder)> {
    if arguments.resume {
        let run = arguments.run.as_deref().context("--resume needs --run DIR")?;
        return Ok((Task::Resume { epochs: arguments.epochs }, RunFolder::new(run)));
    }
    let default = if arguments.data.is_some() { "original" } else { "demo" };
    let name = arguments.preset.as_deref().unwrap_or(default);
    let mut recipe = preset::recipe(name, arguments.recipe.as_deref(), &arguments.set)?;
    // A recipe of the user's own names its network.
    let names_network = arguments.recipe.is_some() && arguments.preset.is_none();
    let network = if names_network { &recipe.network } else { name };
    let network = preset::network(network, arguments.network.as_deref())?;
    recipe.epochs = arguments.epochs.unwrap_or(recipe.epochs);
    let run = arguments.run.clone();
    let run = run.unwrap_or_else(|| free_folder(Path::new("runs"), &recipe.name));
    let (recipe, network) = (Box::new(recipe), Box::new(network));
    Ok((Task::Start { recipe, network, seed: arguments.seed }, RunFolder::new(&run)))
}

/// `runs/NAME`, or the first of `runs/NAME-2`, `runs/NAME-3`, … that does not exist.
fn free_folder(runs: &Path, name: &str) -> PathBuf {
    let numbered = (2..).map(|n| runs.join(format!("{name}-{n}")));
    let mut all = std::iter::once(runs.join(name)).chain(numbered);
    all.find(|path| !path.exists()).unwrap_or_else(|| runs.join(name))
}
