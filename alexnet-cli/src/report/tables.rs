//! The tables of a page, with a column for each run.

use std::collections::BTreeSet;

use alexnet_train::{Evaluation, LoggedStart};
use serde::Serialize;

use super::run::RunReport;
use super::settings::settings;
use crate::describe::grouped;

/// A table with a column for each run.
#[derive(Serialize)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// One for each run; empty where a run does not say it.
    values: Vec<String>,
    /// Whether the runs say different things.
    differs: bool,
}

impl Table {
    fn new(rows: impl IntoIterator<Item = (String, Vec<Option<String>>)>) -> Self {
        let row = |(name, values): (String, Vec<Option<String>>)| {
            let differs = values.windows(2).any(|pair| pair[0] != pair[1]);
            let values = values.into_iter().map(Option::unwrap_or_default).collect();
            Row { name, values, differs }
        };
        let said = |(_, values): &(String, Vec<Option<String>>)| values.iter().any(Option::is_some);
        Self { rows: rows.into_iter().filter(said).map(row).collect() }
    }
}

type Cell = fn(&RunReport) -> Option<String>;

/// A row for each name, of what each run says.
fn table(runs: &[RunReport], rows: &[(&str, Cell)]) -> Table {
    Table::new(
        rows.iter().map(|(name, cell)| ((*name).to_owned(), runs.iter().map(cell).collect())),
    )
}

/// The error rates.
pub(crate) fn results(runs: &[RunReport]) -> Table {
    table(
        runs,
        &[
            ("top-1 error, ten views", |run| Some(per_cent(run.score(10)?.top1_error))),
            ("top-5 error, ten views", |run| Some(per_cent(run.score(10)?.top5_error))),
            ("top-1 error, centre view", |run| Some(per_cent(run.score(1)?.top1_error))),
            ("top-5 error, centre view", |run| Some(per_cent(run.score(1)?.top5_error))),
            ("loss, centre view", |run| Some(format!("{:.4}", run.score(1)?.loss))),
            ("validation images", |run| Some(grouped(run.score(1)?.images as u64))),
            ("epochs", |run| {
                let (done, all) = (run.log.epochs.len(), run.config.recipe.epochs);
                Some(if done == all { all.to_string() } else { format!("{done} of {all}") })
            }),
            ("network", |run| Some(run.config.network.name.clone())),
            ("parameters", |run| Some(grouped(run.start()?.parameters))),
            ("recipe", |run| Some(run.config.recipe.name.clone())),
            ("seed", |run| Some(run.config.seed.to_string())),
        ],
    )
}

/// How long it took.
pub(crate) fn timings(runs: &[RunReport]) -> Table {
    table(
        runs,
        &[
            ("images/s, median of the steps", |run| Some(grouped(run.speed()?.round() as u64))),
            ("share of waiting for the loader", |run| {
                let steps = &run.log.steps;
                let seconds: f64 = steps.iter().map(|s| s.seconds).sum();
                let waited: f64 = steps.iter().map(|s| s.waited).sum();
                (seconds > 0.0).then(|| per_cent(100.0 * waited / seconds))
            }),
            ("an epoch", |run| Some(duration(mean(run.log.epochs.iter().map(|e| e.seconds))?))),
            ("of it validation", |run| {
                let seconds = run.log.epochs.iter().filter_map(|e| e.validation_seconds);
                Some(duration(mean(seconds)?))
            }),
            ("all epochs", |run| {
                let seconds: f64 = run.log.epochs.iter().map(|e| e.seconds).sum();
                (seconds > 0.0).then(|| duration(seconds))
            }),
            ("times started", |run| {
                let times = run.log.starts.len();
                (times > 1).then(|| times.to_string())
            }),
        ],
    )
}

/// The program and the machine.
pub(crate) fn environment(runs: &[RunReport]) -> Table {
    table(
        runs,
        &[
            ("program", |run| {
                let environment = run.start()?.environment.as_ref()?;
                Some(format!("alexnet {}", environment.version))
            }),
            ("commit", |run| run.start()?.environment.as_ref()?.commit.clone()),
            ("device", |run| {
                let LoggedStart { device, model, .. } = run.start()?;
                Some(if device == model { device.clone() } else { format!("{device}, {model}") })
            }),
            ("precision", |run| Some(run.start()?.precision.clone())),
            ("processor", |run| run.start()?.environment.as_ref()?.processor.clone()),
            ("threads", |run| Some(run.start()?.environment.as_ref()?.threads.to_string())),
            ("loader threads", |run| {
                Some(run.start()?.environment.as_ref()?.loader_threads.to_string())
            }),
            ("system", |run| Some(run.start()?.environment.as_ref()?.system.clone())),
        ],
    )
}

/// What was trained on.
pub(crate) fn dataset(runs: &[RunReport]) -> Table {
    let fixed: [(&str, Cell); 7] = [
        ("folder", |run| Some(run.config.data.display().to_string())),
        ("checksum", |run| Some(run.config.data_checksum.clone())),
        ("source", |run| Some(run.data.as_ref().ok()?.manifest().source.clone())),
        ("image size", |run| {
            let manifest = run.data.as_ref().ok()?.manifest();
            Some(format!("{} × {}", manifest.height, manifest.width))
        }),
        ("resized by", |run| {
            Some(run.data.as_ref().ok()?.manifest().preprocessing().resample.name().to_owned())
        }),
        ("classes", |run| Some(grouped(run.data.as_ref().ok()?.manifest().classes.len() as u64))),
        ("training images", |run| Some(grouped(run.start()?.images as u64))),
    ];
    let mut all = table(runs, &fixed);
    for name in ["train", "val", "test"] {
        let count = |run: &RunReport| {
            let splits = &run.data.as_ref().ok()?.manifest().splits;
            let split = splits.iter().find(|split| split.name == name)?;
            let skipped = match split.skipped {
                0 => String::new(),
                skipped => format!(", {} could not be read", grouped(skipped)),
            };
            Some(grouped(split.records) + &skipped)
        };
        let row = (format!("images of {name}"), runs.iter().map(count).collect());
        all.rows.extend(Table::new([row]).rows);
    }
    all
}

/// Every number of the recipes.
pub(crate) fn recipe(runs: &[RunReport]) -> Table {
    let each: Vec<_> = runs.iter().map(|run| settings(&run.config.recipe)).collect();
    let names: BTreeSet<&String> = each.iter().flatten().map(|(name, _)| name).collect();
    Table::new(names.into_iter().map(|name| {
        let value = |rows: &Vec<(String, String)>| {
            rows.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
        };
        (name.clone(), each.iter().map(value).collect())
    }))
}

impl RunReport {
    /// The process that trained last.
    fn start(&self) -> Option<&LoggedStart> {
        self.log.starts.last()
    }

    /// The error rates at the end with so many views.
    pub(crate) fn score(&self, views: usize) -> Option<&Evaluation> {
        self.log.end.as_ref()?.validation.iter().find(|score| score.views == views)
    }

    /// Images a second of the median step.
    pub(crate) fn speed(&self) -> Option<f64> {
        let steps = self.log.steps.iter().filter(|step| step.seconds > 0.0);
        let mut rates: Vec<f64> = steps.map(|s| f64::from(s.images) / s.seconds).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied()
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

pub(crate) fn per_cent(value: f64) -> String {
    format!("{value:.1} %")
}

/// `3.2 s`, `4 min 10 s`, `2 h 5 min`.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..100 => format!("{seconds:.1} s"),
        100..6000 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", grouped(whole / 3600), whole / 60 % 60),
    }
}
