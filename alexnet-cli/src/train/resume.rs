//! `alexnet train --resume`: what is asked of a run that is there already.

use alexnet_train::{Asked, Recipe, RunFolder};
use anyhow::{Result, ensure};

use super::{Arguments, network_and_recipe, statistics};
use crate::preset::changes;

/// What the arguments ask of a run, which has to be what it has: the command with which it began
/// may be given again. Only its data may lie elsewhere, and its epochs may be others.
pub(super) fn asked(arguments: &Arguments, run: &RunFolder) -> Result<Asked> {
    let Arguments { preset, network, recipe, set, fine_tuning, epochs, seed, .. } = arguments;
    let config = run.config()?;
    ensure!(
        fine_tuning.init.is_none() || config.pretrained.is_some(),
        "{} began without --init: leave it out to resume it",
        run.path().display()
    );
    let names_recipe = preset.is_some() || recipe.is_some();
    let (mut asked_network, mut asked_recipe) = (None, None);
    if names_recipe || network.is_some() {
        let (network, recipe) = network_and_recipe(arguments, &|_| ())?;
        asked_network = Some(network);
        asked_recipe = names_recipe.then_some(recipe);
    }
    if !names_recipe && !set.is_empty() {
        let (name, text) = (&config.recipe.name, config.recipe.to_toml()?);
        asked_recipe = Some(Recipe::from_toml(name, &text, &changes(set)?)?);
    }
    if let Some(frozen) = &fine_tuning.freeze {
        let recipe = asked_recipe.get_or_insert_with(|| config.recipe.clone());
        recipe.freeze(&config.network.select(frozen)?);
    }
    if let (Some(recipe), Some(epochs)) = (&mut asked_recipe, epochs) {
        recipe.epochs = *epochs;
    }
    Ok(Asked {
        epochs: *epochs,
        recipe: asked_recipe,
        network: asked_network,
        seed: *seed,
        statistics: statistics(arguments)?,
    })
}
