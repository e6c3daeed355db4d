//! When learning rates change: at fixed epochs or steps, when the validation error stalls, or with
//! every step along a curve.

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
        /// Of so many epochs the mean error is looked at, where single ones vary too much.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        window: usize,
        /// An error is only a new lowest one when it is lower by more than this, in points.
        #[serde(default, skip_serializing_if = "is_zero")]
        threshold: f64,
        /// Rates are not lowered below this share of what they were at the start; a stall there
        /// ends the run.
        #[serde(default, skip_serializing_if = "is_zero_f32")]
        floor: f32,
    },
    /// All rates fall along half a cosine over the whole run.
    Cosine {
        /// The share of them that is left at the end.
        lowest: f32,
    },
    /// Rates fall by the same factor in equal times, as cuda-convnet2's `exp` and `dexp`.
    Exponential {
        /// How the weights' rates fall.
        weights: Decay,
        /// How the biases' rates fall.
        biases: Decay,
    },
}

/// How rates fall by the same factor in equal times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// What they are divided by in the end, at least 1.
    pub divisor: f32,
    /// In so many equal parts of the run they are constant, at least 2; without it they fall with
    /// every step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<usize>,
}

fn one() -> usize {
    1
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_zero_f32(value: &f32) -> bool {
    *value == 0.0
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
            Self::Plateau { .. } | Self::Cosine { .. } | Self::Exponential { .. } => &[],
        }
    }

    /// How often the rates are lowered at most.
    pub(crate) fn drops(&self) -> usize {
        match self {
            Self::Plateau { drops, .. } => *drops,
            Self::Fixed { .. } => self.lowering().count(),
            Self::Cosine { .. } | Self::Exponential { .. } => 0,
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
        let mut drops = self.lowering().enumerate();
        drops.find(|(_, change)| is_now(change)).map(|(number, _)| number + 1)
    }

    /// The changes of all weights' rates.
    fn lowering(&self) -> impl Iterator<Item = &Change> {
        self.changes().iter().filter(|c| c.layer.is_none() && c.weights.is_some())
    }

    /// Whether training images get the recipe's colour noise.
    pub fn has_color_noise(&self, at: Moment) -> bool {
        self.changes_until(at).filter_map(|change| change.color).next_back().unwrap_or(true)
    }
}
