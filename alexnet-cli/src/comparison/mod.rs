//! What experiments have in common: their runs on the terminal, and their results as files.

pub(crate) mod arguments;
mod plot;
mod screen;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};

use alexnet_data::{Dataset, Split, check_replaceable, write_atomic};
use alexnet_train::{Arm, Error, Experiment, Outcome, RunState};
use anyhow::Result;
use indicatif::HumanCount;
use serde::Serialize;
use serde_json::json;

use self::screen::Screen;
use crate::drawing::svg::{Place, svg};
use crate::output::tell;
use crate::stop::Stopped;

/// An experiment, and how its results are presented.
pub(crate) struct Comparison {
    pub(crate) experiment: Experiment,
    /// The name of its files, without their endings.
    name: String,
    /// The heading of its table.
    title: String,
    /// What it was made with, in sentences.
    conditions: String,
}

/// The content of the JSON file.
#[derive(Serialize)]
struct Record<'a> {
    title: &'a str,
    conditions: &'a str,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

impl Comparison {
    /// An experiment whose results are in its folder, in files called `name`.
    pub(crate) fn new(experiment: Experiment, name: &str, title: &str) -> Result<Self> {
        let Experiment { arms, seeds, split, data, .. } = &experiment;
        let dataset = Dataset::open(data)?;
        let [training, tested] = [dataset.split("train")?, dataset.split(split)?].map(Split::len);
        let classes = dataset.manifest().classes.len();
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        let mut epochs: Vec<usize> = arms.iter().map(|arm| arm.recipe.epochs).collect();
        epochs.sort_unstable();
        epochs.dedup();
        let epochs: Vec<String> = epochs.iter().map(usize::to_string).collect();
        let conditions = format!(
            "{} epochs over {training} training images of {classes} classes; seeds {}; errors on \
             the {tested} images of split `{split}`.",
            epochs.join(" or "),
            seeds.join(", ")
        );
        let (name, title) = (name.to_owned(), title.to_owned());
        Ok(Self { experiment, name, title, conditions })
    }

    /// Checks every run, says what each would do, and writes nothing.
    pub(crate) fn tell_plan(&self, as_json: bool) -> Result<()> {
        let plan = self.experiment.check()?;
        if as_json {
            tell(&json!({ "runs": plan }).to_string());
            return Ok(());
        }
        for run in &plan {
            let state = match run.state {
                RunState::New => "to be trained",
                RunState::Begun => "goes on",
                RunState::Trained => "trained",
            };
            let (parameters, steps) = (HumanCount(run.parameters), HumanCount(run.steps as u64));
            let operations = run.multiply_adds as f64;
            tell(&format!(
                "{:<14} seed {:<3} {parameters:>12} parameters  {steps:>9} steps  \
                 {operations:.1e} multiply-adds  {state}",
                run.arm, run.seed
            ));
        }
        let total: f64 = plan.iter().map(|run| run.multiply_adds as f64).sum();
        let (count, runs) = (plan.len(), if plan.len() == 1 { "run" } else { "runs" });
        tell(&format!("{count} {runs}, {total:.1e} multiply-adds; nothing was written"));
        Ok(())
    }

    /// Trains, compares and writes the results; gives their files.
    pub(crate) fn run(&self, quiet: bool) -> Result<(Outcome, Vec<PathBuf>)> {
        let folder = &self.experiment.folder;
        let files = ["md", "csv", "svg", "json"].map(|ending| self.file(ending));
        files.iter().try_for_each(|file| check_replaceable(file))?;
        self.experiment.check()?;
        for arm in &self.experiment.arms {
            write_arm(&folder.join(&arm.name), arm)?;
        }
        let screen = Screen::new(&self.experiment, quiet);
        let outcome = self.experiment.run(&|event| screen.show(event));
        screen.end();
        let outcome = outcome.map_err(|error| match (&error, self.experiment.stop.reason()) {
            (Error::Stopped, Some(reason)) => anyhow::Error::new(Stopped(reason)),
            _ => error.into(),
        })?;
        let record = Record { title: &self.title, conditions: &self.conditions, outcome: &outcome };
        let drawing = plot::differences(&outcome, &self.title);
        let contents = [
            table::markdown(&outcome, &self.title, &self.conditions),
            table::csv(&outcome),
            svg(&drawing, Place::File, drawing.width),
            serde_json::to_string_pretty(&record)? + "\n",
        ];
        for (file, content) in files.iter().zip(contents) {
            write_atomic(file, |out| out.write_all(content.as_bytes()))?;
        }
        Ok((outcome, files.into()))
    }

    /// Trains, compares, writes the results and prints them: a table and the files, or one JSON
    /// object.
    pub(crate) fn run_and_print(&self, as_json: bool) -> Result<()> {
        let (outcome, files) = self.run(as_json)?;
        if as_json {
            tell(&serde_json::to_string(&outcome)?);
            return Ok(());
        }
        table::lines(&outcome).iter().for_each(|line| tell(line));
        files.iter().for_each(|file| tell(&format!("written  {}", file.display())));
        Ok(())
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.experiment.folder.join(format!("{}.{ending}", self.name))
    }
}

/// An arm's network and recipe as files, with which `alexnet train` trains it alone.
fn write_arm(folder: &Path, arm: &Arm) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in
        [("network.toml", arm.network.to_toml()?), ("recipe.toml", arm.recipe.to_toml()?)]
    {
        write_atomic(&folder.join(name), |out| out.write_all(text.as_bytes()))?;
    }
    Ok(())
}
