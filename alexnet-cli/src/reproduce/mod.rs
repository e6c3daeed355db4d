//! `alexnet reproduce`: the claims of the paper, and a command that tries each.

mod claim;
mod ensemble;
mod epochs;
mod errors;
mod figures;
mod list;
mod measured;
mod pre_training;

use std::path::PathBuf;

use alexnet_data::Views;
use anyhow::{Context, Result, ensure};

use self::claim::{Claim, Measure, Scale, Trial};
use crate::comparison::arguments::RunsArguments;
use crate::numbers::within;
use crate::weights;

/// List what the paper claims; or try one of its claims
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The claim to try; without it, all are listed
    claim: Option<String>,
    /// How large the networks and datasets are with which it is tried
    #[arg(long, value_enum, default_value = "demo")]
    scale: Scale,
    /// Train each network with so many seeds [default: the claim's]
    #[arg(long, value_parser = within::<u64>(1..=1000))]
    seeds: Option<u64>,
    /// Pre-trained weights: for table-2 further members, for pre-training what training begins with
    #[arg(long, value_name = "RUN|FILE", num_args = 1..)]
    pretrained: Vec<PathBuf>,
    /// Folder of all runs and of the results; with what is there already it goes on [default:
    /// runs/reproduce/CLAIM-SCALE]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    runs: RunsArguments,
}

/// A claim that is tried, and how.
struct Attempt<'a> {
    claim: &'a Claim,
    trial: &'a Trial,
    scale: Scale,
    seeds: u64,
    folder: PathBuf,
    pretrained: &'a [PathBuf],
    runs: &'a RunsArguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { claim, scale, seeds, pretrained, output, runs } = arguments;
    let Some(name) = claim else { return list::print(runs.json) };
    let claim = Claim::find(name)?;
    let trial = claim.trial(*scale)?;
    if let Some(data) = &trial.data {
        let word = scale.word();
        ensure!(
            runs.has_data() || *scale == Scale::Demo,
            "`{name}` at --scale {word} needs --data DIR: {data}, made by `alexnet prepare-data`"
        );
    }
    let default = || PathBuf::from(format!("runs/reproduce/{name}-{}", scale.word()));
    let attempt = Attempt {
        claim: &claim,
        trial,
        scale: *scale,
        seeds: seeds.unwrap_or(trial.seeds),
        folder: output.clone().unwrap_or_else(default),
        pretrained,
        runs,
    };
    attempt.introduce();
    match claim.measure {
        Measure::Errors => errors::run(&attempt),
        Measure::Ensemble => ensemble::run(&attempt),
        Measure::Epochs => epochs::run(&attempt),
        Measure::Figures => figures::run(&attempt),
        Measure::PreTraining => pre_training::run(&attempt),
    }
}

impl Attempt<'_> {
    /// What the paper says, before it is tried.
    fn introduce(&self) {
        let Claim { section, claim, published, run, .. } = self.claim;
        self.runs.print(&format!("{section}: {claim}"));
        published.iter().for_each(|line| self.runs.print(&format!("  the paper: {line}")));
        self.runs.print(&format!("  the authors' run: {run}"));
    }

    /// The title of its results.
    fn title(&self) -> String {
        format!("{} ({})", self.claim.claim, self.scale.word())
    }

    /// The views of its tests.
    fn views(&self) -> Result<Vec<Views>> {
        let views = self.trial.views.iter().map(|word| weights::views(word));
        views.collect::<Result<_, _>>().map_err(anyhow::Error::msg).context("views of the claim")
    }
}
