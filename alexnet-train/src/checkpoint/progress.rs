//! Where a run stands, as its checkpoint says.

use serde::{Deserialize, Serialize};

use crate::recipe::schedule::Plateau;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
}

impl Progress {
    /// The beginning of a run.
    pub(crate) const START: Self =
        Self { epoch: 0, step: 0, loss: 0.0, right: 0.0, images: 0, plateau: Plateau::START };
}
