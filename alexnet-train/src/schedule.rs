//! When rates change: at fixed epochs, or when the validation error stalls.

use alexnet_model::Role;
use serde::{Deserialize, Serialize};

use crate::{LayerRates, Rates, Recipe};

/// When rates change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// At the start of given epochs, as the authors did by hand.
    Fixed {
        /// The changes; later ones win.
        changes: Vec<Change>,
    },
    /// All rates are multiplied by `factor` when the validation error has stalled: the paper's rule.
    Plateau {
        /// What the rates are multiplied by.
        factor: f32,
        /// Epochs without a new lowest top-1 error that count as stalled.
        patience: usize,
        /// How often; the next stall ends the run.
        drops: usize,
    },
}

/// One change, from the start of an epoch on; epochs count from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The first epoch it holds for.
    pub epoch: usize,
    /// The layer it is for. Without one it is for all layers that no change has named before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// New rate of weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<f32>,
    /// New rate of biases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub biases: Option<f32>,
    /// Colour noise on or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<bool>,
}

/// What the validation errors so far say about the rates: part of every checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// What all rates are multiplied by now.
    pub factor: f32,
    /// How often it changed.
    pub drops: usize,
    /// Lowest top-1 error so far, per cent.
    pub lowest: Option<f64>,
    /// Epochs since then, or since the last drop.
    pub stalled: usize,
}

/// What to do after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    GoOn,
    Dropped,
    Stop,
}

impl Plateau {
    /// Nothing seen yet.
    pub(crate) const START: Self = Self { factor: 1.0, drops: 0, lowest: None, stalled: 0 };

    /// Takes in the validation error of an epoch.
    pub(crate) fn see(&mut self, schedule: &Schedule, top1_error: f64) -> Verdict {
        let Schedule::Plateau { factor, patience, drops } = *schedule else { return Verdict::GoOn };
        if self.lowest.is_none_or(|lowest| top1_error < lowest) {
            (self.lowest, self.stalled) = (Some(top1_error), 0);
            return Verdict::GoOn;
        }
        self.stalled += 1;
        if self.stalled < patience {
            return Verdict::GoOn;
        }
        if self.drops == drops {
            return Verdict::Stop;
        }
        (self.factor, self.drops, self.stalled) = (self.factor * factor, self.drops + 1, 0);
        Verdict::Dropped
    }
}

impl Schedule {
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Fixed { .. } => Ok(()),
            Self::Plateau { patience: 0, .. } => Err("schedule.patience must be at least 1".into()),
            Self::Plateau { factor, .. } if *factor > 0.0 && *factor < 1.0 => Ok(()),
            Self::Plateau { factor, .. } => {
                Err(format!("schedule.factor = {factor}, but it must lie between 0 and 1"))
            }
        }
    }

    /// The layers that changes name.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &str> {
        self.changes().iter().filter_map(|c| c.layer.as_deref())
    }

    fn changes(&self) -> &[Change] {
        match self {
            Self::Fixed { changes } => changes,
            Self::Plateau { .. } => &[],
        }
    }

    /// Whether colour noise is on in `epoch`.
    pub(crate) fn color(&self, epoch: usize) -> bool {
        let past = self.changes().iter().filter(|c| c.epoch <= epoch);
        past.filter_map(|c| c.color).next_back().unwrap_or(true)
    }
}

impl Recipe {
    /// Rate and decay of a layer's weights or biases in `epoch`, before any drop by a stall.
    pub fn rates(&self, epoch: usize, layer: &str, role: Role) -> Rates {
        let own = |rates: &LayerRates| match role {
            Role::Weight => rates.weights,
            Role::Bias => rates.biases,
        };
        let everywhere = match role {
            Role::Weight => self.weights,
            Role::Bias => self.biases,
        };
        let of_layer = self.layers.get(layer).and_then(own);
        let mut rates = of_layer.unwrap_or(everywhere);
        let mut named = of_layer.is_some();
        for change in self.schedule.changes().iter().filter(|c| c.epoch <= epoch) {
            let rate = match role {
                Role::Weight => change.weights,
                Role::Bias => change.biases,
            };
            let for_this = match &change.layer {
                Some(name) => name == layer,
                None => !named,
            };
            if let (Some(rate), true) = (rate, for_this) {
                rates.rate = rate;
                named |= change.layer.is_some();
            }
        }
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conv1_stays_frozen_when_all_others_change() {
        let recipe = Recipe::preset("original", &[]).unwrap();
        let rate = |epoch, layer| recipe.rates(epoch, layer, Role::Weight).rate;
        assert_eq!([rate(0, "conv1"), rate(24, "fc8"), rate(25, "fc8")], [0.01, 0.01, 1e-3]);
        assert_eq!([rate(67, "conv1"), rate(67, "conv2")], [1e-5, 1e-4]);
        assert_eq!([rate(72, "conv1"), rate(79, "conv1"), rate(79, "conv2")], [0.0, 0.0, 1e-5]);
        assert_eq!(recipe.rates(60, "conv2", Role::Bias).rate, 2e-3);
        assert!(recipe.schedule.color(66) && !recipe.schedule.color(67));
    }

    #[test]
    fn a_stall_divides_and_the_last_one_stops() {
        let schedule = Schedule::Plateau { factor: 0.1, patience: 2, drops: 1 };
        let mut plateau = Plateau::START;
        let verdicts =
            [50.0, 40.0, 40.0, 41.0, 39.0, 39.5, 39.0].map(|e| plateau.see(&schedule, e));
        use Verdict::{Dropped, GoOn, Stop};
        assert_eq!(verdicts, [GoOn, GoOn, GoOn, Dropped, GoOn, GoOn, Stop]);
        assert_eq!(plateau.factor, 0.1);
    }
}
