//! From `--preset`, `--network`, `--recipe` and `--set` to a network and a recipe.

use std::path::{Path, PathBuf};

use alexnet_model::NetworkSpec;
use alexnet_train::Recipe;
use anyhow::{Context, Result, bail};

/// The network of a preset, or of a file of the user's own.
pub(crate) fn network(preset: &str, file: Option<&Path>) -> Result<NetworkSpec> {
    match file {
        None => Ok(NetworkSpec::preset(preset)?),
        Some(path) => Ok(NetworkSpec::from_toml(&path.display().to_string(), &read(path)?)?),
    }
}

/// The recipe of a preset, or of a file of the user's own, with the changes of `--set KEY=VALUE`.
pub(crate) fn recipe(preset: &str, file: Option<&PathBuf>, set: &[String]) -> Result<Recipe> {
    let changes = set.iter().map(|change| match change.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => bail!("--set {change}: expected KEY=VALUE, for example --set weights.rate=0.005"),
    });
    let changes = changes.collect::<Result<Vec<_>>>()?;
    match file {
        None => Ok(Recipe::preset(preset, &changes)?),
        Some(path) => Ok(Recipe::from_toml(&path.display().to_string(), &read(path)?, &changes)?),
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))
}
