//! `alexnet figure curves`: error and loss by epoch, of one run or of several as in Figure 1.

use std::path::{Path, PathBuf};

use alexnet_train::{LoggedEpoch, RunFolder, RunLog};
use anyhow::{Result, ensure};

use super::chart::{Chart, Curve};
use super::output::OutputArguments;
use crate::drawing::ink::Ink;
use crate::drawing::{Area, Drawing};

/// Error and loss by epoch, of one run or several (Figure 1)
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folders of runs
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// A run's name and its epochs.
pub(crate) struct RunCurves<'a> {
    pub(crate) name: &'a str,
    pub(crate) epochs: &'a [LoggedEpoch],
}

/// The size of a chart, and the space around it.
const CHART: [f64; 2] = [640.0, 340.0];
const MARGIN: f64 = 16.0;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.output.check()?;
    let logs = arguments.runs.iter().map(|path| {
        let log = RunLog::read(&RunFolder::new(path))?;
        ensure!(!log.epochs.is_empty(), "{}: no epoch of it has ended yet", path.display());
        Ok(log)
    });
    let logs = logs.collect::<Result<Vec<_>>>()?;
    let names = names(&arguments.runs);
    let runs = names.iter().zip(&logs);
    let runs: Vec<_> = runs.map(|(name, log)| RunCurves { name, epochs: &log.epochs }).collect();
    arguments.output.write(&draw(&charts(&runs)))
}

/// A name for each run: its folder's, or where that would not tell them apart, its path.
pub(crate) fn names(runs: &[PathBuf]) -> Vec<String> {
    let folder = |path: &Path| {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        whole
            .file_name()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    let short: Vec<String> = runs.iter().map(|path| folder(path)).collect();
    let unique = |name: &String| short.iter().filter(|other| *other == name).count() == 1;
    let pairs = short.iter().zip(runs);
    let name = |(short, path): (&String, &PathBuf)| {
        if unique(short) { short.clone() } else { path.display().to_string() }
    };
    pairs.map(name).collect()
}

/// The charts of error and of loss. Those of one run have a colour for each curve; of several, a
/// colour for each run, with training dashed.
pub(crate) fn charts(runs: &[RunCurves<'_>]) -> Vec<Chart> {
    type Value = fn(&LoggedEpoch) -> Option<f64>;
    let kinds: [(&str, [(&str, Value); 3]); 2] = [
        (
            "Error, per cent of the images",
            [
                ("training", |e| e.train_error),
                ("validation", |e| Some(e.validation?.top1_error)),
                ("validation, top-5", |e| Some(e.validation?.top5_error)),
            ],
        ),
        (
            "Loss, mean of −log of the right class's probability",
            [
                ("training", |e| Some(e.train_loss)),
                ("validation", |e| Some(e.validation?.loss)),
                ("", |_| None),
            ],
        ),
    ];
    let alone = runs.len() == 1;
    let chart = |(title, values): (&str, [(&str, Value); 3])| {
        let curves = runs.iter().enumerate().flat_map(|(n, run)| {
            let values = values.into_iter().take(if alone { 3 } else { 2 });
            let values = values.enumerate();
            values.map(move |(kind, (of, value))| {
                let points = run.epochs.iter();
                let points =
                    points.filter_map(|epoch| Some([(epoch.epoch + 1) as f64, value(epoch)?]));
                let name = if alone { of.to_owned() } else { format!("{}, {of}", run.name) };
                let ink = Ink::Curve(if alone { kind } else { n });
                Curve { name, points: points.collect(), ink, dashed: kind == 0 }
            })
        });
        let curves = curves.filter(|curve| !curve.points.is_empty());
        Chart { title: title.to_owned(), x: "epoch".to_owned(), curves: curves.collect() }
    };
    let charts = kinds.into_iter().map(chart);
    charts.filter(|chart| !chart.curves.is_empty()).collect()
}

/// The charts of a figure, one below the other.
fn draw(charts: &[Chart]) -> Drawing {
    let [width, height] = CHART;
    let total = charts.len() as f64 * (height + MARGIN) + MARGIN;
    let titles: Vec<&str> = charts.iter().map(|chart| chart.title.as_str()).collect();
    let mut drawing = Drawing::new(width + 2.0 * MARGIN, total, titles.join("; "));
    for (n, chart) in charts.iter().enumerate() {
        let y = MARGIN + n as f64 * (height + MARGIN);
        chart.draw(&mut drawing, Area { x: MARGIN, y, width, height });
    }
    drawing
}
