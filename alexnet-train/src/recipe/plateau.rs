//! What the validation errors of a run mean for its rates.

use serde::{Deserialize, Serialize};

use crate::recipe::schedule::Schedule;

/// What the validation errors so far mean for the rates. It is part of every checkpoint.
///
/// ```
/// use alexnet_train::{Plateau, Schedule, Verdict};
///
/// let (factor, patience, drops) = (0.1, 2, 1);
/// let (window, threshold, floor) = (1, 0.0, 0.0);
/// let schedule = Schedule::Plateau { factor, patience, drops, window, threshold, floor };
/// let mut plateau = Plateau::START;
/// let verdicts = [50.0, 40.0, 41.0, 40.0].map(|error| plateau.observe(&schedule, error));
/// assert_eq!(verdicts[2..], [Verdict::Continue, Verdict::LowerRates]);
/// assert_eq!((plateau.factor, plateau.lowest), (0.1, Some(40.0)));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// What all rates are multiplied by now.
    pub factor: f32,
    /// How often the rates were lowered.
    pub drops: usize,
    /// The lowest top-1 error so far, per cent; that of the schedule's window of epochs.
    pub lowest: Option<f64>,
    /// Epochs since the lowest error, or since the rates were lowered.
    pub stalled: usize,
    /// The top-1 errors of the last epochs, as many as the window has.
    #[serde(default)]
    pub recent: Vec<f64>,
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
    pub const START: Self =
        Self { factor: 1.0, drops: 0, lowest: None, stalled: 0, recent: Vec::new() };

    /// Takes the validation error of an epoch, per cent, into account.
    pub fn observe(&mut self, schedule: &Schedule, top1_error: f64) -> Verdict {
        let Schedule::Plateau { factor, patience, drops, window, threshold, floor } = *schedule
        else {
            return Verdict::Continue;
        };
        self.recent.push(top1_error);
        if self.recent.len() < window {
            return Verdict::Continue;
        }
        let last = &self.recent[self.recent.len() - window..];
        let mean = last.iter().sum::<f64>() / window as f64;
        self.recent = last[1..].to_vec();
        if self.lowest.is_none_or(|lowest| mean < lowest - threshold) {
            (self.lowest, self.stalled) = (Some(mean), 0);
            return Verdict::Continue;
        }
        self.stalled += 1;
        if self.stalled < patience {
            return Verdict::Continue;
        }
        if self.drops == drops || self.factor * factor < floor {
            return Verdict::Stop;
        }
        (self.factor, self.drops, self.stalled) = (self.factor * factor, self.drops + 1, 0);
        self.recent.clear(); // errors with other rates
        Verdict::LowerRates
    }
}
