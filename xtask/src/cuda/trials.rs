//! What the program is put through on the stand-in beside its self-test: whole runs on every kind of device, what is
//! missing or too small, and what a step allocates and waits for.

mod faults;
mod runs;
mod steps;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alexnet_data::{DemoOptions, PrepareOptions, Source, draw_demo, prepare};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The batch of every run here, and the training images of each of the ten classes of the two datasets: 10 and 30
/// steps an epoch. Losses on a card are read 20 steps at a time.
const BATCH: usize = 8;
const SHORT: usize = 8;
const LONG: usize = 24;

/// The program, its libraries, and a folder for what it writes.
pub(super) struct Trials {
    alexnet: PathBuf,
    libraries: PathBuf,
    folder: PathBuf,
}

/// Settings of the environment.
type Settings<'a> = &'a [(&'a str, &'a str)];

/// All trials, in `folder`, which is emptied first.
pub(super) fn run(alexnet: &Path, libraries: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let [alexnet, libraries] = [alexnet, libraries].map(Path::to_owned);
    let trials = Trials { alexnet, libraries, folder };
    trials.dataset("short", SHORT)?;
    trials.dataset("long", LONG)?;
    faults::all(&trials)?;
    steps::all(&trials)?;
    runs::all(&trials)
}

impl Trials {
    fn dataset(&self, name: &str, train_per_class: usize) -> Result<()> {
        let [images, stored] = [format!("{name}-images"), name.to_owned()].map(|n| self.path(&n));
        let demo = DemoOptions { train_per_class, val_per_class: 1, ..DemoOptions::STANDARD };
        draw_demo(&images, &demo, &|_| ())?;
        let options = PrepareOptions::new(Source::Folder, &images, &stored);
        prepare(&PrepareOptions { size: 72, ..options }, &|_| ())?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs the program on the stand-in.
    fn start(&self, arguments: &[&str], settings: Settings<'_>) -> Result<Output> {
        Command::new(&self.alexnet)
            .args(arguments)
            .current_dir(&self.folder)
            .env("LD_LIBRARY_PATH", &self.libraries)
            .envs(settings.iter().copied())
            .output()
            .with_context(|| self.alexnet.display().to_string())
    }

    /// The same of what must succeed.
    fn succeed(&self, arguments: &[&str], settings: Settings<'_>) -> Result<Output> {
        let output = self.start(arguments, settings)?;
        let says = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "alexnet {}: {says}", arguments.join(" "));
        Ok(output)
    }

    /// Trains for one epoch into the run `run`.
    fn train(
        &self,
        run: &str,
        data: &str,
        more: &[&str],
        settings: Settings<'_>,
    ) -> Result<Output> {
        let batch = format!("batch={BATCH}");
        let job = ["train", "--preset", "demo", "--epochs", "1", "--set", &batch];
        let places = ["--data", data, "--run", run];
        self.succeed(&[&job[..], &places[..], more].concat(), settings)
    }

    /// The events of a run's log that are called so.
    fn events(&self, run: &str, name: &str) -> Result<Vec<Value>> {
        let path = self.path(run).join("log.jsonl");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let events = text.lines().map(serde_json::from_str);
        let events = events.collect::<serde_json::Result<Vec<Value>>>()?;
        Ok(events.into_iter().filter(|event| event["event"] == name).collect())
    }

    /// The losses of a run, step by step.
    fn losses(&self, run: &str) -> Result<Vec<f64>> {
        let losses = self.events(run, "step")?.into_iter().map(|event| event["loss"].as_f64());
        losses.collect::<Option<_>>().context("a step without a loss")
    }
}
