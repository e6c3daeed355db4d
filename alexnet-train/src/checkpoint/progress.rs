//! Where a run stands, as its checkpoint says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recipe::plateau::{Plateau, Verdict};
use crate::recipe::schedule::Schedule;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The epoch that is next or under way, from 0.
    pub epoch: usize,
    /// How many of its steps are done.
    pub step: usize,
    /// Sum of the losses of its images so far.
    pub loss: f64,
    /// How many of its images were guessed right so far; files of before had no such number.
    #[serde(default)]
    pub right: f64,
    /// The number of its images so far.
    pub images: usize,
    /// What the validation errors so far mean for the rates.
    pub plateau: Plateau,
    /// The lowest top-1 error on the validation images so far, per cent.
    #[serde(default)]
    pub best: Option<f64>,
    /// How often training diverged and went back to a good checkpoint.
    #[serde(default)]
    pub rollbacks: u32,
}

impl Progress {
    /// The beginning of a run.
    pub(crate) const START: Self = Self {
        epoch: 0,
        step: 0,
        loss: 0.0,
        right: 0.0,
        images: 0,
        plateau: Plateau::START,
        best: None,
        rollbacks: 0,
    };

    /// What all rates are multiplied by: where the validation error stalled they were lowered, and
    /// each time training diverged they became a tenth.
    pub fn rate_factor(&self) -> f32 {
        self.plateau.factor * 0.1_f32.powi(self.rollbacks as i32)
    }

    /// Goes on to the next epoch. Says what the top-1 error on the validation images, per cent,
    /// means for the rates, and whether it is the lowest so far.
    pub(crate) fn end_epoch(&mut self, schedule: &Schedule, error: Option<f64>) -> (Verdict, bool) {
        let Self { epoch, mut plateau, best, rollbacks, .. } = self.clone();
        let verdict = error.map_or(Verdict::Continue, |error| plateau.observe(schedule, error));
        let is_best = error.is_some_and(|error| best.is_none_or(|best| error < best));
        let best = if is_best { error } else { best };
        *self = Self { epoch: epoch + 1, plateau, best, rollbacks, ..Self::START };
        (verdict, is_best)
    }
}

/// Where a run stands, and how long its logs were then.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SavedState {
    pub(crate) progress: Progress,
    pub(crate) logs: LogOffsets,
}

/// The bytes of each log of a run, by the name of its file in the run's folder.
pub(crate) type LogOffsets = BTreeMap<String, u64>;
