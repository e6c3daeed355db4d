//! `alexnet train`: from a dataset, or from nothing, to final weights and error rates.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alexnet_train::{Evaluation, Event, Job, RunFolder, Task};
use anyhow::{Context, Result, ensure};
use indicatif::{HumanDuration, ProgressBar};
use serde_json::json;

use crate::describe::grouped;

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
    /// Go on with the run in --run where its checkpoint stands
    #[arg(
        long, requires = "run",
        conflicts_with_all = ["preset", "network", "recipe", "set", "seed"]
    )]
    resume: bool,
    /// original, paper, one-tower, caffe, torchvision, small, demo [default: original; demo without
    /// --data]
    #[arg(long)]
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
    /// Every random draw follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads that make batches; the result does not depend on it
    #[arg(long, default_value_t = 1)]
    loader_threads: usize,
    /// Minutes a run may go without a checkpoint; one is written after every epoch anyhow
    #[arg(long, default_value_t = 10)]
    checkpoint_minutes: u64,
    #[command(flatten)]
    place: crate::device::Where,
    /// Print one JSON object at the end and nothing else on standard output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.loader_threads > 0, "--loader-threads 0: expected at least 1");
    ensure!(arguments.epochs != Some(0), "--epochs 0: expected at least 1");
    let say = |line: &str| {
        if !arguments.json {
            println!("{line}")
        }
    };
    let devices = arguments.place.open_all()?;
    let (task, run) = task(arguments)?;
    let data = match (&arguments.data, &task) {
        (Some(data), _) => data.clone(),
        (None, Task::Resume { .. }) => run.config()?.data,
        (None, Task::Start { .. }) => crate::demo::dataset(&say)?,
    };
    let checkpoint_every = Duration::from_secs(60 * arguments.checkpoint_minutes);
    let job = Job {
        data,
        run: run.clone(),
        task,
        loader_threads: arguments.loader_threads,
        checkpoint_every,
        devices,
    };
    let mut screen = Screen::new(arguments.json);
    let scores = alexnet_train::train(&job, &mut |event| screen.show(event))?;
    if arguments.json {
        let report = json!({
            "run": run.path(),
            "weights": run.weights(),
            "validation": scores,
        });
        println!("{report}");
        return Ok(());
    }
    for score in &scores {
        let views = if score.views == 1 { "centre view" } else { "ten views" };
        println!("validation, {views}: {}", rates(score));
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
    let preset = arguments.preset.as_deref().unwrap_or(default);
    let mut recipe = crate::preset::recipe(preset, arguments.recipe.as_ref(), &arguments.set)?;
    // A recipe of the user's own names the network it is for.
    let network = if arguments.recipe.is_some() && arguments.preset.is_none() {
        recipe.network.clone()
    } else {
        preset.to_owned()
    };
    let network = crate::preset::network(&network, arguments.network.as_deref())?;
    recipe.epochs = arguments.epochs.unwrap_or(recipe.epochs);
    let run = match &arguments.run {
        Some(run) => run.clone(),
        None => free_folder(Path::new("runs"), &recipe.name),
    };
    let (recipe, network) = (Box::new(recipe), Box::new(network));
    Ok((Task::Start { recipe, network, seed: arguments.seed }, RunFolder::new(&run)))
}

/// `runs/NAME`, or the first of `runs/NAME-2`, `runs/NAME-3`, … that is not there yet.
fn free_folder(runs: &Path, name: &str) -> PathBuf {
    let numbered = (2..).map(|n| runs.join(format!("{name}-{n}")));
    let mut all = std::iter::once(runs.join(name)).chain(numbered);
    all.find(|path| !path.exists()).unwrap_or_else(|| runs.join(name))
}

fn rates(score: &Evaluation) -> String {
    format!("top-1 error {:.2} %, top-5 error {:.2} %", score.top1_error, score.top5_error)
}

/// What a run shows: a bar on terminals, a line an epoch everywhere.
struct Screen {
    bar: ProgressBar,
    quiet: bool,
    epochs: usize,
    epoch_images: usize,
    first: u64,
    began: Instant,
    validation: String,
}

impl Screen {
    fn new(quiet: bool) -> Self {
        let bar = crate::progress::bar("train", 0);
        let (validation, began) = (String::new(), Instant::now());
        Self { bar, quiet, epochs: 0, epoch_images: 0, first: 0, began, validation }
    }

    fn line(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| println!("{line}"));
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Start {
                network,
                recipe,
                seed,
                parameters,
                classes,
                images,
                epochs,
                epoch,
                device,
                model,
                precision,
                ..
            } => {
                (self.epochs, self.epoch_images) = (*epochs, *images);
                self.first = (epoch * images) as u64;
                self.bar.set_length((epochs * images) as u64);
                self.bar.set_position(self.first);
                self.bar.reset_eta();
                self.began = Instant::now();
                let (parameters, images) = (grouped(*parameters), grouped(*images as u64));
                self.line(&format!(
                    "network {network} ({parameters} parameters), recipe {recipe}, seed {seed}: \
                     {images} images of {classes} classes, {epochs} epochs"
                ));
                if !device.starts_with("cpu") {
                    self.line(&format!("{device}: {model}, {precision}"));
                }
            }
            Event::Split { devices, crossings, route } => {
                let crossings = crossings.join(", ");
                self.line(&format!(
                    "a tower on each of {devices} devices: activations cross before {crossings}, \
                     by {route}"
                ));
            }
            Event::Step { epoch, loss, images, .. } => {
                self.bar.inc(*images as u64);
                let validation = &self.validation;
                self.bar.set_message(format!(
                    "epoch {}/{} loss {loss:.3}{validation}",
                    epoch + 1,
                    self.epochs
                ));
            }
            Event::Epoch { epoch, train_loss, rate, validation, seconds } => {
                let done = ((epoch + 1) * self.epoch_images) as u64 - self.first;
                let left = (self.epochs - epoch - 1) * self.epoch_images;
                let elapsed = self.began.elapsed().as_secs_f64();
                let eta = HumanDuration(Duration::from_secs_f64(
                    elapsed * left as f64 / done.max(1) as f64,
                ));
                let error = validation.map_or("no validation images".to_owned(), |v| rates(&v));
                let speed = self.epoch_images as f64 / seconds;
                self.line(&format!(
                    "epoch {:>3}/{}  loss {train_loss:.4}  {error}  rate {rate:.0e}  \
                     {speed:.0} images/s  {eta:#} left",
                    epoch + 1,
                    self.epochs
                ));
                if let Some(v) = validation {
                    self.validation = format!(" val {:.1} %", v.top1_error);
                }
            }
            Event::Drop { factor, .. } => {
                self.line(&format!(
                    "validation error stalled: all rates are now {factor:.0e} of the recipe's"
                ));
            }
            Event::Evaluated { .. } => self.bar.tick(),
            Event::End { .. } => self.bar.finish_and_clear(),
        }
    }
}
