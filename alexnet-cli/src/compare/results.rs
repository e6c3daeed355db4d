//! What came of runs, row by row.

use alexnet_train::{Evaluation, RunFolder, RunLog, RunStatus};
use serde::Serialize;

use crate::progress::per_second;
use crate::runs::facts::{Position, Times, best_error, mean_speed};
use crate::runs::moment::duration;

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Results {
    /// `running`, `stopped`, `diverged` or `done`.
    state: &'static str,
    /// The epoch that it is in, from 1, or 0 before its first line.
    epoch: usize,
    /// The mean training loss of its last epoch.
    train_loss: Option<f64>,
    /// The lowest top-1 error of a validation, per cent, and its epoch.
    best_top1_error: Option<f64>,
    best_epoch: Option<usize>,
    /// The error rates at the end, with one view and with ten.
    validation: Vec<Evaluation>,
    /// The mean over its steps.
    images_per_second: Option<f64>,
    /// The seconds of its steps, validations and checkpoints.
    seconds: f64,
}

impl Results {
    pub(super) fn new(run: &RunFolder, log: &RunLog) -> Self {
        let best = best_error(log);
        Self {
            state: RunStatus::of(run, log).word(),
            epoch: Position::of(log).map_or(0, |at| at.epoch),
            train_loss: log.epochs.last().map(|epoch| epoch.train_loss),
            best_top1_error: best.map(|(error, _)| error),
            best_epoch: best.map(|(_, epoch)| epoch),
            validation: log.end.iter().flat_map(|end| end.validation.clone()).collect(),
            images_per_second: mean_speed(log),
            seconds: Times::of(log).total(),
        }
    }

    /// The rows of a table, each with a name and a field for each run.
    pub(super) fn rows(runs: &[Self]) -> impl Iterator<Item = Vec<String>> {
        type Field = fn(&Results) -> Option<String>;
        let fields: [(&str, Field); 8] = [
            ("state", |r| Some(r.state.to_owned())),
            ("epoch", |r| Some(r.epoch.to_string())),
            ("train loss", |r| Some(format!("{:.4}", r.train_loss?))),
            ("best top-1", |r| {
                Some(format!("{:.2} %, epoch {}", r.best_top1_error?, r.best_epoch?))
            }),
            ("centre view", |r| r.errors(|views| views == 1)),
            ("ten views", |r| r.errors(|views| views > 1)),
            ("images/s", |r| Some(per_second(r.images_per_second?))),
            ("time", |r| Some(duration(r.seconds))),
        ];
        fields.into_iter().map(move |(name, field)| {
            let values = runs.iter().map(|run| field(run).unwrap_or_else(|| "–".to_owned()));
            [name.to_owned()].into_iter().chain(values).collect()
        })
    }

    fn errors(&self, views: impl Fn(usize) -> bool) -> Option<String> {
        let end = self.validation.iter().find(|evaluation| views(evaluation.views))?;
        Some(format!("{:.2} %, top-5 {:.2} %", end.top1_error, end.top5_error))
    }
}
