//! From `--preset`, `--network`, `--recipe` and `--set` to a network and a recipe.

use std::path::{Path, PathBuf};

use alexnet_model::NetworkSpec;
use alexnet_train::Recipe;
use anyhow::{Context, Result, bail};

use crate::file;

/// A network to describe or measure
#[derive(Debug, clap::Args)]
pub(crate) struct NetworkArguments {
    #[arg(long, default_value = "original", help = names())]
    preset: String,
    /// A network of your own, in the form of the presets (alexnet-model/presets)
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
}

impl NetworkArguments {
    pub(crate) fn spec(&self) -> Result<NetworkSpec> {
        network(&self.preset, self.network.as_deref())
    }
}

/// The names of all presets: `original, paper, …`.
pub(crate) fn names() -> String {
    Recipe::presets().collect::<Vec<_>>().join(", ")
}

/// The network of a preset, or of a file.
pub(crate) fn network(preset: &str, file: Option<&Path>) -> Result<NetworkSpec> {
    match file {
        None => Ok(NetworkSpec::preset(&Recipe::preset(preset, &[])?.network)?),
        Some(path) => Ok(NetworkSpec::from_toml(&path.display().to_string(), &read(path)?)?),
    }
}

/// The changes of `--set KEY=VALUE`.
pub(crate) fn changes(set: &[String]) -> Result<Vec<(&str, &str)>> {
    let changes = set.iter().map(|change| match change.split_once('=') {
        Some((key, value)) => Ok((key.trim(), value.trim())),
        None => bail!("--set `{change}`: expected KEY=VALUE, for example --set weights.rate=0.005"),
    });
    changes.collect()
}

/// The recipe of a preset, or of a file, with the changes of `--set KEY=VALUE`.
pub(crate) fn recipe(preset: &str, file: Option<&Path>, set: &[String]) -> Result<Recipe> {
    let changes = changes(set)?;
    match file {
        None => Ok(Recipe::preset(preset, &changes)?),
        Some(path) => Ok(Recipe::from_toml(&path.display().to_string(), &read(path)?, &changes)?),
    }
}

/// A network or a recipe is a page of text.
fn read(path: &Path) -> Result<String> {
    let bytes = file::read(path, 1 << 20)?;
    String::from_utf8(bytes).with_context(|| path.display().to_string())
}
