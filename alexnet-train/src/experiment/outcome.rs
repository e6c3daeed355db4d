//! What an experiment found.

use alexnet_model::FusedLayer;
use serde::{Deserialize, Serialize};

use super::arm::Arm;
use super::bootstrap::{Difference, paired_bootstrap};
use super::scores::RunScores;

/// What an experiment found: the error rates of each arm, and how they differ from the first's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The arms, in the experiment's order.
    pub arms: Vec<ArmOutcome>,
}

/// What an experiment found of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmOutcome {
    /// Its name.
    pub name: String,
    /// What it is, in words.
    pub about: String,
    /// What the paper says that the difference is worth; empty for the base.
    pub published: String,
    /// Weights and biases, with as many outputs as the dataset has classes.
    pub parameters: u64,
    /// The seeds whose runs did not diverge.
    pub seeds: Vec<u64>,
    /// The top-1 error.
    pub top1: Measure,
    /// The top-5 error.
    pub top5: Measure,
}

/// An error rate of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Of each seed, per cent.
    pub errors: Vec<f64>,
    /// What this arm has more than the first, in points; `None` for the first, and where no seed is
    /// common.
    pub difference: Option<Difference>,
}

impl Measure {
    /// The mean over the seeds, per cent; NaN of none.
    pub fn mean(&self) -> f64 {
        self.errors.iter().sum::<f64>() / self.errors.len() as f64
    }

    /// The standard deviation over the seeds, with one seed less in the denominator; `None` of
    /// fewer than two.
    pub fn deviation(&self) -> Option<f64> {
        let (n, mean) = (self.errors.len() as f64, self.mean());
        let squares = self.errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>();
        (n > 1.0).then(|| (squares / (n - 1.0)).sqrt())
    }
}

impl Outcome {
    /// Of the scores of all runs, those of all arms with the first seed first; `None` for a run
    /// that diverged.
    pub(super) fn new(
        arms: &[Arm],
        seeds: &[u64],
        classes: usize,
        scores: &[Option<RunScores>],
    ) -> Self {
        let of = |arm: usize| scores.iter().skip(arm).step_by(arms.len()).map(Option::as_ref);
        let outcome = |(index, arm): (usize, &Arm)| {
            let network = arm.network.clone().with_classes(classes);
            let layers = network.fused_layers().unwrap_or_default(); // each was trained
            let complete = seeds.iter().zip(of(index)).filter(|(_, scores)| scores.is_some());
            let measure = |top: usize| Measure {
                errors: of(index).flatten().map(|scores| percent(&scores.wrong[top])).collect(),
                difference: (index > 0).then(|| difference(of(0), of(index), top)).flatten(),
            };
            ArmOutcome {
                name: arm.name.clone(),
                about: arm.about.clone(),
                published: arm.published.clone(),
                parameters: layers.iter().map(FusedLayer::parameter_count).sum(),
                seeds: complete.map(|(seed, _)| *seed).collect(),
                top1: measure(0),
                top5: measure(1),
            }
        };
        Self { arms: arms.iter().enumerate().map(outcome).collect() }
    }
}

/// The difference of two arms over the seeds that both have.
fn difference<'a>(
    base: impl Iterator<Item = Option<&'a RunScores>>,
    arm: impl Iterator<Item = Option<&'a RunScores>>,
    top: usize,
) -> Option<Difference> {
    let both = base.zip(arm).filter_map(|(base, arm)| Some((base?, arm?)));
    let points = |scores: &RunScores| scores.wrong[top].iter().map(|w| 100.0 * w).collect();
    let (base, arm): (Vec<Vec<f64>>, Vec<Vec<f64>>) =
        both.map(|(base, arm)| (points(base), points(arm))).unzip();
    (!base.is_empty()).then(|| paired_bootstrap(&base, &arm))
}

fn percent(wrong: &[f64]) -> f64 {
    100.0 * wrong.iter().sum::<f64>() / wrong.len() as f64
}
