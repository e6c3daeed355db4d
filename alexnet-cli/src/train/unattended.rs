//! What lets a run be left alone: checkpoints, signals, a time limit, and what to do when training
//! diverges.

use std::str::FromStr;
use std::time::{Duration, Instant};

use alexnet_train::{CheckpointEvery, Job, OnDivergence, Stop};
use anyhow::Result;

use crate::numbers::{REPETITIONS, within};
use crate::stop;

/// What lets a run be left alone
#[derive(Debug, clap::Args)]
pub(super) struct UnattendedArguments {
    /// How often a checkpoint is written, beside the end of each epoch: a number of steps, or a
    /// time, as in 30min
    #[arg(long, value_name = "N|TIME", default_value = "10min")]
    checkpoint_every: Every,
    /// How many of the last checkpoints are kept in the run's folder `checkpoints`, beside the best
    /// one and one before each drop of the rates
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = within::<usize>(REPETITIONS))]
    keep: usize,
    /// Save and stop after this time, as in 3h50min; then go on by --resume
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    time_limit: Option<Duration>,
    /// When training diverges: stop, or go back to the last good checkpoint with a tenth of all
    /// rates, three times at most
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    on_divergence: Divergence,
    /// Steps from one measurement of the norms of weights, gradients and updates to the next; 0 for
    /// none
    #[arg(long, value_name = "N", default_value_t = 100)]
    norms_every: usize,
}

/// A number of steps or a time.
#[derive(Debug, Clone)]
struct Every(CheckpointEvery);

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a number of steps from 1, or a time such as 30min";
        if let Ok(steps) = text.parse() {
            return match steps {
                0 => Err(expected.to_owned()),
                steps => Ok(Self(CheckpointEvery::Steps(steps))),
            };
        }
        let time = humantime::parse_duration(text).map_err(|e| format!("{e}: {expected}"))?;
        Ok(Self(CheckpointEvery::Time(time)))
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Divergence {
    Stop,
    Rollback,
}

impl UnattendedArguments {
    /// Adds all that to a job, which `stop` may end.
    pub(super) fn apply(&self, job: Job, stop: &Stop) -> Job {
        let on_divergence = match self.on_divergence {
            Divergence::Stop => OnDivergence::Stop,
            Divergence::Rollback => OnDivergence::Rollback,
        };
        Job {
            checkpoint_every: self.checkpoint_every.0,
            keep: self.keep,
            norms_every: self.norms_every,
            on_divergence,
            stop: stop.clone(),
            ..job
        }
    }

    /// What ends a run that this process trains: the signals and the time limit, from now on.
    pub(super) fn stop(&self) -> Result<Stop> {
        let mut stop = stop::by_signals()?;
        // A limit beyond what a clock can say is none.
        let end = self.time_limit.and_then(|limit| Instant::now().checked_add(limit));
        if let (Some(limit), Some(end)) = (self.time_limit, end) {
            stop.at(end, &format!("the time limit of {}", humantime::format_duration(limit)));
        }
        Ok(stop)
    }
}
