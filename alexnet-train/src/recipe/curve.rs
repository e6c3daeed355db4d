//! Rates that change with every step: along a curve over the run, and rising at its beginning.

use std::f64::consts::PI;

use alexnet_model::Role;
use serde::{Deserialize, Serialize};

use crate::recipe::Recipe;
use crate::recipe::schedule::{Decay, Moment, Schedule};

/// All rates rise linearly at the beginning of a run, to what they are without it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// Over so many steps, at least 1.
    pub steps: usize,
    /// From this share of them, from 0 to 1.
    pub from: f32,
}

impl WarmUp {
    fn share(self, step: usize) -> f64 {
        let from = f64::from(self.from);
        from + (1.0 - from) * (step as f64 / self.steps.max(1) as f64).min(1.0)
    }
}

impl Decay {
    /// The share of a rate that is left at a share of the run.
    fn share(self, of_run: f64) -> f64 {
        let of_fall = match self.parts {
            None => of_run,
            Some(parts) => {
                let part = (of_run * parts as f64).floor().min(parts as f64 - 1.0);
                part / (parts as f64 - 1.0).max(1.0)
            }
        };
        f64::from(self.divisor).powf(-of_fall)
    }
}

impl Recipe {
    /// What the rates of weights or biases are multiplied by at a step of a run with so many steps
    /// an epoch: the schedule's curve, if it has one, and the warm-up.
    ///
    /// ```
    /// use alexnet_model::Role;
    /// use alexnet_train::{Moment, Recipe};
    ///
    /// let schedule = r#"{ kind = "cosine", lowest = 0.0 }"#;
    /// let warm_up = "{ steps = 100, from = 0.5 }";
    /// let changes = [("epochs", "10"), ("schedule", schedule), ("warm_up", warm_up)];
    /// let recipe = Recipe::preset("demo", &changes)?;
    /// let at = |epoch| {
    ///     let moment = Moment { epoch, step: epoch * 1000 };
    ///     recipe.factor(moment, 1000, Role::Weight)
    /// };
    /// assert_eq!([at(0), at(5)], [0.5, 0.5]);
    /// assert!(at(9) < 0.03);
    /// # Ok::<(), alexnet_train::Error>(())
    /// ```
    pub fn factor(&self, at: Moment, steps_per_epoch: usize, role: Role) -> f32 {
        let of_run = at.step as f64 / (self.epochs * steps_per_epoch).max(1) as f64;
        let curve = match &self.schedule {
            Schedule::Fixed { .. } | Schedule::Plateau { .. } => 1.0,
            Schedule::Cosine { lowest } => {
                let lowest = f64::from(*lowest);
                lowest + (1.0 - lowest) * (1.0 + (PI * of_run.min(1.0)).cos()) / 2.0
            }
            Schedule::Exponential { weights, biases } => match role {
                Role::Weight => weights.share(of_run),
                Role::Bias => biases.share(of_run),
            },
        };
        (curve * self.warm_up.map_or(1.0, |warm_up| warm_up.share(at.step))) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cuda-convnet2's schedule of 90 epochs: weights by 250 in four parts, biases by 10 in two.
    #[test]
    fn the_schedule_of_cuda_convnet2() {
        let weights = Decay { divisor: 250.0, parts: Some(4) };
        let biases = Decay { divisor: 10.0, parts: Some(2) };
        let of = |decay: Decay, epoch: usize| decay.share(epoch as f64 / 90.0);
        for (epoch, rate) in
            [(0, 0.01), (22, 0.01), (23, 0.001_587_4), (45, 0.000_251_98), (68, 4e-5), (90, 4e-5)]
        {
            let got = 0.01 * of(weights, epoch);
            assert!((got - rate).abs() < 1e-4 * rate, "epoch {epoch}: {got}");
        }
        assert_eq!([of(biases, 44), of(biases, 45)], [1.0, 0.1]);
        let smooth = Decay { divisor: 100.0, parts: None };
        assert!((smooth.share(0.5) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn a_warm_up_rises_and_ends() {
        let warm_up = WarmUp { steps: 10, from: 0.2 };
        let shares = [0, 5, 10, 1000].map(|step| warm_up.share(step) as f32);
        assert_eq!(shares, [0.2, 0.6, 1.0, 1.0]);
    }
}
