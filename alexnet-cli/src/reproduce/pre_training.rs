//! Claims about pre-training: a network that begins with the layers of another, and the same one
//! that begins from nothing.

use std::path::PathBuf;

use alexnet_train::{Arm, Pretrained};
use anyhow::{Context, Result};

use super::Attempt;
use crate::comparison::Comparison;
use crate::weights;

pub(super) fn run(attempt: &Attempt<'_>) -> Result<()> {
    let Attempt { trial, runs, claim, folder, seeds, .. } = attempt;
    let views = attempt.views()?.first().copied().unwrap_or(alexnet_data::Views::Ten);
    let [checkpoint] = attempt.pretrained else {
        anyhow::bail!(
            "`{}` needs --pretrained RUN: a network that was trained on other classes, by `alexnet \
             train`",
            claim.name
        )
    };
    // The first preset begins from nothing; the last one, perhaps the same, does not.
    let mut arms = trial.arms(runs)?;
    let last = arms.last().context("the claim has no network")?.clone();
    arms.truncate(1);
    arms.push(pretrained(last, checkpoint.clone())?);
    let experiment = runs.experiment(folder.clone(), arms, *seeds, (&trial.split, views))?;
    let comparison = Comparison::new(experiment, claim.name, &attempt.title())?;
    if runs.dry_run {
        return comparison.tell_plan(runs.json);
    }
    comparison.run_and_print(runs.json)
}

/// The same with all layers of the checkpoint that have the same shape, but for the last layer,
/// whose outputs are other classes.
fn pretrained(arm: Arm, checkpoint: PathBuf) -> Result<Arm> {
    let layers = arm.network.layers.iter().filter(|layer| layer.kind.has_parameters());
    let mut layers: Vec<String> = layers.map(|layer| layer.name.clone()).collect();
    layers.pop();
    let pretrained = Pretrained { checkpoint: weights::file(&checkpoint)?, layers: Some(layers) };
    Ok(Arm {
        name: "pre-trained".to_owned(),
        about: format!("{}, pre-trained", arm.about),
        pretrained: Some(pretrained),
        ..arm
    })
}
