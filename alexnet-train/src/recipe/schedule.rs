//! When learning rates change: at fixed epochs or steps, or when the validation error stalls.

use serde::{Deserialize, Serialize};

/// When learning rates change. [`Recipe::rates`](crate::Recipe::rates) says what they are.
///
/// ```
/// use alexnet_train::{Change, Moment, Schedule};
///
/// let change = Change { epoch: Some(10), color: Some(false), ..Change::default() };
/// let schedule = Schedule::Fixed { changes: vec![change] };
/// let has_noise = |epoch| schedule.has_color_noise(Moment { epoch, step: 0 });
/// assert!(has_noise(9) && !has_noise(10));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Rates change at the start of given epochs or steps, as the authors changed them by hand.
    Fixed {
        /// The changes; later ones win.
        changes: Vec<Change>,
    },
    /// All rates are multiplied by `factor` when the validation error stalls, as in the paper.
    Plateau {
        /// The factor, between 0 and 1.
        factor: f32,
        /// How many epochs without a new lowest top-1 error are a stall, at least 1.
        patience: usize,
        /// How many stalls lower the rates; the next one ends the run.
        drops: usize,
    },
}

/// A place in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The epoch that is under way, from 0.
    pub epoch: usize,
    /// The updates since the start of the run.
    pub step: usize,
}

/// One change, in force from the start of an epoch or from a step on: one of the two is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The first epoch in which it is in force, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<usize>,
    /// The first update for which it is in force, from 0 over the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<usize>,
    /// The layer it is for; `None` for all layers that have no rate of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The new rate of weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<f32>,
    /// The new rate of biases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub biases: Option<f32>,
    /// Whether there is colour noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<bool>,
}

impl Schedule {
    /// The layers that changes name.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &str> {
        self.changes().iter().filter_map(|change| change.layer.as_deref())
    }

    /// The changes that are in force, in their order.
    pub(crate) fn changes_until(&self, at: Moment) -> impl DoubleEndedIterator<Item = &Change> {
        let reached = |first: Option<usize>, now| first.is_none_or(|first| first <= now);
        self.changes()
            .iter()
            .filter(move |change| reached(change.epoch, at.epoch) && reached(change.step, at.step))
    }

    fn changes(&self) -> &[Change] {
        match self {
            Self::Fixed { changes } => changes,
            Self::Plateau { .. } => &[],
        }
    }

    /// Which of its changes of all weights' rates comes at the start of an epoch, counted from 1.
    pub(crate) fn drop_before_epoch(&self, epoch: usize) -> Option<usize> {
        self.drop(|change| change.epoch == Some(epoch))
    }

    /// Which of them comes at a step within an epoch.
    pub(crate) fn drop_within(&self, at: Moment) -> Option<usize> {
        self.drop(|change| change.step == Some(at.step))
    }

    fn drop(&self, is_now: impl Fn(&Change) -> bool) -> Option<usize> {
        let drops = self.changes().iter().filter(|c| c.layer.is_none() && c.weights.is_some());
        drops.enumerate().find(|(_, change)| is_now(change)).map(|(number, _)| number + 1)
    }

    /// Whether training images get the recipe's colour noise.
    pub fn has_color_noise(&self, at: Moment) -> bool {
        self.changes_until(at).filter_map(|change| change.color).next_back().unwrap_or(true)
    }
}

/// What the validation errors so far mean for the rates. It is part of every checkpoint.
///
/// ```
/// use alexnet_train::{Plateau, Schedule, Verdict};
///
/// let schedule = Schedule::Plateau { factor: 0.1, patience: 2, drops: 1 };
/// let mut plateau = Plateau::START;
/// let verdicts = [50.0, 40.0, 41.0, 40.0].map(|error| plateau.observe(&schedule, error));
/// assert_eq!(verdicts[2..], [Verdict::Continue, Verdict::LowerRates]);
/// assert_eq!((plateau.factor, plateau.lowest), (0.1, Some(40.0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// What all rates are multiplied by now.
    pub factor: f32,
    /// How often the rates were lowered.
    pub drops: usize,
    /// The lowest top-1 error so far, per cent.
    pub lowest: Option<f64>,
    /// Epochs since the lowest error, or since the rates were lowered.
    pub stalled: usize,
}

/// What follows from an epoch's validation error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Training continues with the same rates.
    Continue,
    /// Training continues with lower rates.
    LowerRates,
    /// The run ends.
    Stop,
}

impl Plateau {
    /// The state before the first epoch.
    pub const START: Self = Self { factor: 1.0, drops: 0, lowest: None, stalled: 0 };

    /// Takes the validation error of an epoch, per cent, into account.
    pub fn observe(&mut self, schedule: &Schedule, top1_error: f64) -> Verdict {
        let Schedule::Plateau { factor, patience, drops } = *schedule else {
            return Verdict::Continue;
        };
        if self.lowest.is_none_or(|lowest| top1_error < lowest) {
            (self.lowest, self.stalled) = (Some(top1_error), 0);
            return Verdict::Continue;
        }
        self.stalled += 1;
        if self.stalled < patience {
            return Verdict::Continue;
        }
        if self.drops == drops {
            return Verdict::Stop;
        }
        (self.factor, self.drops, self.stalled) = (self.factor * factor, self.drops + 1, 0);
        Verdict::LowerRates
    }
}
