//! The claim of Figure 1: the epochs until a quarter of the training images is wrong.

use std::io::Write;

use alexnet_data::{check_replaceable, write_atomic};
use alexnet_model::LayerKind;
use alexnet_train::{Arm, LoggedEpoch, RunLog};
use anyhow::Result;
use serde::Serialize;

use super::Attempt;
use crate::comparison::Comparison;
use crate::drawing::ink::Ink;
use crate::drawing::svg::{Place, svg};
use crate::drawing::{Area, Drawing};
use crate::figure::chart::{Chart, Curve};
use crate::output::tell;

/// The training error that ends the race, per cent.
const GOAL: f64 = 25.0;

/// The content of the JSON file.
#[derive(Serialize)]
struct Found {
    title: String,
    arms: Vec<ArmFound>,
    /// Of the fastest arm with tanh over the fastest with ReLU; `None` where ReLU never got there.
    tanh_over_relu: Option<Ratio>,
}

/// How many times the epochs of ReLU tanh takes.
#[derive(Serialize)]
struct Ratio {
    times: f64,
    /// Whether no arm with tanh got there, so that the epochs it was trained count.
    at_least: bool,
}

/// How fast one arm was.
#[derive(Serialize)]
struct ArmFound {
    name: String,
    activation: &'static str,
    /// Of each seed; `None` where it never got there.
    epochs: Vec<Option<f64>>,
}

impl ArmFound {
    /// Of all seeds, if all got there.
    fn mean(&self) -> Option<f64> {
        let all: Option<Vec<f64>> = self.epochs.iter().copied().collect();
        all.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64)
    }
}

pub(super) fn run(attempt: &Attempt<'_>) -> Result<()> {
    let Attempt { trial, runs, claim, folder, seeds, .. } = attempt;
    let views = alexnet_data::Views::One;
    let test = (trial.split.as_str(), views);
    let experiment = runs.experiment(folder.clone(), trial.arms(runs)?, *seeds, test)?;
    let comparison = Comparison::new(experiment, claim.name, &attempt.title())?;
    if runs.dry_run {
        return comparison.tell_plan(runs.json);
    }
    let files = ["json", "svg"].map(|e| folder.join(format!("{}-epochs.{e}", claim.name)));
    files.iter().try_for_each(|file| check_replaceable(file))?;
    comparison.run(runs.json)?;

    let experiment = &comparison.experiment;
    let (mut arms, mut curves) = (Vec::new(), Vec::new());
    for arm in &experiment.arms {
        let mut epochs = Vec::new();
        for seed in &experiment.seeds {
            let log = RunLog::read(&experiment.run_folder(arm, *seed))?;
            let errors: Vec<f64> = log.epochs.iter().filter_map(|e| e.train_error).collect();
            epochs.push(epochs_to(GOAL, &errors));
            if *seed == experiment.seeds[0] {
                curves.push((arm.name.clone(), log.epochs));
            }
        }
        arms.push(ArmFound { name: arm.name.clone(), activation: activation(arm), epochs });
    }
    let trained = curves.iter().map(|(_, epochs)| epochs.len()).min().unwrap_or(0);
    let tanh_over_relu = ratio(&arms, trained);
    let found = Found { title: attempt.title(), arms, tanh_over_relu };
    let text = serde_json::to_string_pretty(&found)? + "\n";
    let drawing = draw(&found, curves);
    for (file, content) in files.iter().zip([text, svg(&drawing, Place::File, drawing.width)]) {
        write_atomic(file, |out| out.write_all(content.as_bytes()))?;
    }
    if runs.json {
        tell(&serde_json::to_string(&found)?);
    } else {
        found.lines().iter().for_each(|line| tell(line));
        files.iter().for_each(|file| tell(&format!("written  {}", file.display())));
    }
    Ok(())
}

/// After how many epochs the error fell to `goal`, between epochs along a straight line. The errors
/// are those of each epoch; each image counts as it was before its update.
fn epochs_to(goal: f64, errors: &[f64]) -> Option<f64> {
    let reached = errors.iter().position(|error| *error <= goal)?;
    let Some(before) = reached.checked_sub(1).map(|n| errors[n]) else { return Some(1.0) };
    Some(reached as f64 + (before - goal) / (before - errors[reached]))
}

/// How much later tanh got there than ReLU, each with its best rate, all after `trained` epochs.
fn ratio(arms: &[ArmFound], trained: usize) -> Option<Ratio> {
    let fastest = |activation: &str| {
        let of_it = arms.iter().filter(|arm| arm.activation == activation);
        of_it.filter_map(ArmFound::mean).min_by(f64::total_cmp)
    };
    let (relu, tanh) = (fastest("ReLU")?, fastest("tanh"));
    Some(Ratio { times: tanh.unwrap_or(trained as f64) / relu, at_least: tanh.is_none() })
}

/// What the network's hidden layers compute.
fn activation(arm: &Arm) -> &'static str {
    let has_tanh = arm.network.layers.iter().any(|layer| layer.kind == LayerKind::Tanh);
    if has_tanh { "tanh" } else { "ReLU" }
}

/// Figure 1: training error by epoch, tanh dashed.
fn draw(found: &Found, curves: Vec<(String, Vec<LoggedEpoch>)>) -> Drawing {
    let curve = |(number, (name, epochs)): (usize, (String, Vec<LoggedEpoch>))| {
        let point = |e: &LoggedEpoch| Some([(e.epoch + 1) as f64, e.train_error?]);
        let dashed = found.arms[number].activation == "tanh";
        let points = epochs.iter().filter_map(point).collect();
        Curve { name, points, ink: Ink::Curve(number), dashed }
    };
    let curves = curves.into_iter().enumerate().map(curve).collect();
    let chart =
        Chart { title: "Training error, per cent".to_owned(), x: "epochs".to_owned(), curves };
    let mut drawing = Drawing::new(720.0, 400.0, &found.title);
    chart.draw(&mut drawing, Area { x: 16.0, y: 12.0, width: 688.0, height: 376.0 });
    drawing
}

impl Found {
    /// The table for the terminal.
    fn lines(&self) -> Vec<String> {
        let row = |arm: &ArmFound| {
            let epochs = match arm.mean() {
                Some(mean) => format!("{mean:.1}"),
                None => "not reached".to_owned(),
            };
            format!(
                "{:<28} {:<5} {epochs:>11} epochs to {GOAL} % training error",
                arm.name, arm.activation
            )
        };
        let mut lines: Vec<String> = self.arms.iter().map(row).collect();
        lines.push(match self.tanh_over_relu {
            Some(Ratio { times, at_least: false }) => {
                format!("tanh takes {times:.1} times the epochs of ReLU")
            }
            Some(Ratio { times, at_least: true }) => format!(
                "tanh takes over {times:.1} times the epochs of ReLU: it did not get there at any \
                 rate; more --epochs tell how many"
            ),
            None => "ReLU did not get there: take more --epochs".to_owned(),
        });
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::{ArmFound, epochs_to, ratio};

    #[test]
    fn the_goal_is_reached_between_epochs() {
        assert_eq!(epochs_to(25.0, &[60.0, 30.0, 20.0]), Some(2.5));
        assert_eq!(epochs_to(25.0, &[60.0, 25.0]), Some(2.0));
        assert_eq!(epochs_to(25.0, &[20.0]), Some(1.0));
        assert_eq!(epochs_to(25.0, &[60.0, 30.0]), None);
    }

    #[test]
    fn the_best_rate_of_each_counts_and_what_was_trained_where_tanh_never_got_there() {
        let arm = |activation, epochs: &[Option<f64>]| ArmFound {
            name: String::new(),
            activation,
            epochs: epochs.to_vec(),
        };
        let relu = [arm("ReLU", &[Some(4.0), Some(6.0)]), arm("ReLU", &[Some(3.0), None])];
        let all = |tanh: &[Option<f64>]| {
            let [a, b] = relu.each_ref().map(|it| arm(it.activation, &it.epochs));
            ratio(&[a, arm("tanh", tanh), b], 40).map(|r| (r.times, r.at_least))
        };
        assert_eq!(all(&[Some(30.0), Some(32.0)]), Some((6.2, false)));
        assert_eq!(all(&[Some(30.0), None]), Some((8.0, true)));
        assert!(ratio(&[arm("ReLU", &[None]), arm("tanh", &[Some(9.0)])], 40).is_none());
    }
}
