//! Claims about ensembles: the same network from several seeds, each alone and all together.

use std::io::Write;

use alexnet_data::{Dataset, check_replaceable, write_atomic};
use alexnet_train::{Ensemble, Evaluation, evaluate_ensemble};
use anyhow::Result;
use serde::Serialize;

use super::Attempt;
use crate::comparison::Comparison;
use crate::eval::networks::Networks;
use crate::output::tell;
use crate::progress::with_bar;

/// The content of the JSON file.
#[derive(Serialize)]
struct Found {
    title: String,
    /// Each network's file and its error rates.
    members: Vec<(String, Evaluation)>,
    /// Of all together.
    together: Evaluation,
}

pub(super) fn run(attempt: &Attempt<'_>) -> Result<()> {
    let Attempt { trial, runs, claim, folder, seeds, .. } = attempt;
    let views = attempt.views()?.first().copied().unwrap_or(alexnet_data::Views::Ten);
    let test = (trial.split.as_str(), views);
    let experiment = runs.experiment(folder.clone(), trial.arms(runs)?, *seeds, test)?;
    let comparison = Comparison::new(experiment, claim.name, &attempt.title())?;
    if runs.dry_run {
        return comparison.tell_plan(runs.json);
    }
    let file = folder.join(format!("{}-ensemble.json", claim.name));
    check_replaceable(&file)?;
    comparison.run(runs.json)?;

    let experiment = &comparison.experiment;
    let data = Dataset::open(&experiment.data)?;
    let split = data.split(&trial.split)?;
    let trained = experiment.seeds.iter().flat_map(|seed| {
        experiment.arms.iter().map(|arm| experiment.run_folder(arm, *seed).weights())
    });
    let paths: Vec<_> = trained.chain(attempt.pretrained.iter().cloned()).collect();
    let networks = Networks::load(&paths, Some((&data, split)), &experiment.devices)?;
    let mut ensemble = Ensemble { networks: networks.members(), saved: Vec::new() };
    let (alone, together) = with_bar("ensemble", |bar| {
        let mut progress = |images: usize| bar(images as u64, split.len() as u64);
        evaluate_ensemble(&mut ensemble, split, views, 1, &mut progress)
    })?;
    let names = paths.iter().map(|path| path.display().to_string());
    let members: Vec<_> = names.zip(alone).collect();
    let found = Found { title: attempt.title(), members, together };
    let text = serde_json::to_string_pretty(&found)? + "\n";
    write_atomic(&file, |out| out.write_all(text.as_bytes()))?;
    if runs.json {
        tell(&serde_json::to_string(&found)?);
    } else {
        found.lines().iter().for_each(|line| tell(line));
        tell(&format!("written  {}", file.display()));
    }
    Ok(())
}

impl Found {
    /// The table for the terminal.
    fn lines(&self) -> Vec<String> {
        let row = |name: &str, score: &Evaluation| {
            format!(
                "top-1 error {:6.2} %  top-5 error {:6.2} %  {name}",
                score.top1_error, score.top5_error
            )
        };
        let mut lines: Vec<String> =
            self.members.iter().map(|(name, score)| row(name, score)).collect();
        lines.push(row(&format!("all {} together", self.members.len()), &self.together));
        lines
    }
}
