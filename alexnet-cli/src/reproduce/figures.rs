//! The paper's figures, of a network that is trained first. Each is a command of its own, too.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Parser;

use super::Attempt;
use crate::comparison::Comparison;
use crate::figure;
use crate::output::json_path;

/// `alexnet figure …`.
#[derive(Debug, Parser)]
#[command(name = "alexnet figure")]
struct FigureCommand {
    #[command(flatten)]
    arguments: figure::Arguments,
}

pub(super) fn run(attempt: &Attempt<'_>) -> Result<()> {
    let Attempt { trial, runs, claim, folder, .. } = attempt;
    let views = attempt.views()?.first().copied().unwrap_or(alexnet_data::Views::Ten);
    let test = (trial.split.as_str(), views);
    let experiment = runs.experiment(folder.clone(), trial.arms(runs)?, 1, test)?;
    let comparison = Comparison::new(experiment, claim.name, &attempt.title())?;
    let experiment = &comparison.experiment;
    let (arm, seed) = experiment
        .arms
        .first()
        .zip(experiment.seeds.first())
        .context("the claim names no network")?;
    let run = experiment.run_folder(arm, *seed);
    let commands = commands(run.path(), &experiment.data, folder);
    if runs.dry_run {
        comparison.tell_plan(runs.json)?;
        commands.iter().for_each(|words| runs.print(&words.join(" ")));
        return Ok(());
    }
    comparison.run(runs.json)?;
    for words in &commands {
        runs.print(&words.join(" "));
        let command = FigureCommand::try_parse_from(&words[1..]);
        figure::run(&command.with_context(|| words.join(" "))?.arguments)?;
    }
    Ok(())
}

/// The words of the command for each figure.
fn commands(run: &Path, data: &Path, folder: &Path) -> Vec<Vec<String>> {
    let (run, data) = (json_path(run).into_owned(), json_path(data).into_owned());
    let figure = |name: &str, with_data: bool| {
        let output = folder.join(format!("{name}.svg"));
        let words = ["alexnet", "figure", name, "--checkpoint", &run, "--output"];
        let mut words: Vec<String> = words.map(str::to_owned).into();
        words.push(json_path(&output).into_owned());
        if with_data {
            words.extend(["--data".to_owned(), data.clone()]);
        }
        words
    };
    vec![figure("kernels", false), figure("predictions", true), figure("neighbours", true)]
}
