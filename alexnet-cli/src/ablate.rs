//! `alexnet ablate`: what each idea of the paper is worth, as a table.

use std::path::{Path, PathBuf};

use alexnet_data::Views;
use alexnet_model::NetworkSpec;
use alexnet_train::{Arm, Factor};
use anyhow::Result;

use crate::comparison::Comparison;
use crate::comparison::arguments::RunsArguments;
use crate::numbers::within;
use crate::{preset, weights};

/// Train a network without each of its ideas, with several seeds, and compare
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(
        long, default_value = "demo",
        help = format!("What the ideas are taken out of: a recipe's file, or {}", preset::names())
    )]
    base: String,
    /// A network of your own in the place of the recipe's, in the form of the presets
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    #[arg(long, value_delimiter = ',', help = ideas())]
    vary: Vec<String>,
    /// Train each with so many seeds
    #[arg(long, default_value_t = 3, value_parser = within::<u64>(1..=1000))]
    seeds: u64,
    /// Folder of all runs and of the table; with what is there already it goes on [default:
    /// runs/ablate-BASE]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The split on which the networks are compared
    #[arg(long, default_value = "val")]
    split: String,
    #[arg(long, default_value = "10", value_parser = weights::views, help = weights::VIEWS)]
    views: Views,
    #[command(flatten)]
    runs: RunsArguments,
}

fn ideas() -> String {
    let names = Factor::presets().collect::<Vec<_>>().join(",");
    format!("What is taken out, each alone: {names} [default: all that the base has]")
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { base, network, vary, seeds, output, split, views, runs } = arguments;
    let file = Some(Path::new(base)).filter(|file| file.extension().is_some_and(|e| e == "toml"));
    let recipe = runs.scaled(preset::recipe(base, file, &runs.set)?, None);
    let name = recipe.name.clone();
    let network = match network {
        Some(file) => preset::network("", Some(file))?,
        None => NetworkSpec::preset(&recipe.network)?,
    };
    let arms = arms(Arm::base(network, recipe), vary, &|line| runs.print(line))?;
    let folder = output.clone().unwrap_or_else(|| PathBuf::from(format!("runs/ablate-{name}")));
    let experiment = runs.experiment(folder, arms, *seeds, (split, *views))?;
    let title = format!("`{name}` without each of its ideas");
    let comparison = Comparison::new(experiment, "ablation", &title)?;
    if runs.dry_run {
        return comparison.tell_plan(runs.json);
    }
    comparison.run_and_print(runs.json)
}

/// The base, and the arms of each factor.
pub(crate) fn arms(base: Arm, vary: &[String], print: &dyn Fn(&str)) -> Result<Vec<Arm>> {
    let mut arms = vec![base];
    for name in vary {
        arms.extend(Factor::preset(name.trim())?.arms_of(&arms[0])?);
    }
    for name in Factor::presets().filter(|_| vary.is_empty()) {
        match Factor::preset(name)?.arms_of(&arms[0]) {
            Ok(more) => arms.extend(more),
            Err(error) => print(&format!("left out: {error}")),
        }
    }
    Ok(arms)
}
