//! The curves of a page: as SVG, wide and narrow, and as numbers for those who zoom.

use alexnet_train::{LoggedStart, LoggedStep};
use serde::Serialize;

use super::run::RunReport;
use crate::drawing::ink::Ink;
use crate::drawing::svg::{Place, svg};
use crate::drawing::{Area, Drawing};
use crate::figure::chart::{Chart, Curve};
use crate::figure::curves::{RunCurves, charts};

/// A chart of a page.
#[derive(Serialize)]
pub(crate) struct PageChart {
    title: String,
    /// Whether the horizontal axis has whole numbers only.
    counts: bool,
    /// For wide and for narrow screens.
    wide: String,
    narrow: String,
    data: Vec<CurveData>,
}

/// A curve in numbers.
#[derive(Serialize)]
struct CurveData {
    name: String,
    ink: String,
    dashed: bool,
    x: Vec<f64>,
    y: Vec<f64>,
}

/// Sizes of charts: those of wide screens, and of telephones.
const WIDE: [f64; 2] = [720.0, 340.0];
const NARROW: [f64; 2] = [340.0, 300.0];
/// The most points of a curve by steps: more would lie on the same pixels.
const POINTS: usize = 500;

/// The charts of error, of loss, and of the loss of each step.
pub(crate) fn page_charts(runs: &[RunReport]) -> Vec<PageChart> {
    let named = runs.iter().map(|run| RunCurves { name: &run.name, epochs: &run.log.epochs });
    let by_epoch = charts(&named.collect::<Vec<_>>());
    by_epoch.into_iter().chain(steps(runs)).map(page_chart).collect()
}

/// The loss by steps, each point the mean of some.
fn steps(runs: &[RunReport]) -> Option<Chart> {
    let curve = |run: &RunReport| {
        let LoggedStart { steps_per_epoch, .. } = run.log.starts.last()?;
        let each = run.log.steps.len().div_ceil(POINTS).max(1);
        let point = |steps: &[LoggedStep]| {
            let last = steps.last()?;
            let done = f64::from(last.step + 1) / (*steps_per_epoch).max(1) as f64;
            let loss: f64 = steps.iter().map(|step| f64::from(step.loss)).sum();
            Some([f64::from(last.epoch) + done, loss / steps.len() as f64])
        };
        let points: Vec<_> = run.log.steps.chunks(each).filter_map(point).collect();
        let (name, ink) = (run.name.clone(), Ink::Curve(run.number));
        (points.len() > 1).then_some(Curve { name, points, ink, dashed: false })
    };
    let curves: Vec<Curve> = runs.iter().filter_map(curve).collect();
    let title = "Training loss, step by step".to_owned();
    (!curves.is_empty()).then(|| Chart { title, x: "epoch".to_owned(), curves })
}

fn page_chart(chart: Chart) -> PageChart {
    let drawn = |[width, height]: [f64; 2]| {
        let mut drawing = Drawing::new(width, height, &chart.title);
        // The title is the page's.
        chart.draw(&mut drawing, Area { x: 0.0, y: 0.0, width, height });
        svg(&drawing, Place::Page, width)
    };
    let (wide, narrow) = (drawn(WIDE), drawn(NARROW));
    let counts = chart.counts();
    let data = chart.curves.into_iter().map(|curve| {
        let Curve { name, points, ink, dashed } = curve;
        let points = points.iter().filter(|[x, y]| x.is_finite() && y.is_finite());
        let (x, y) = points.map(|[x, y]| (rounded(*x), rounded(*y))).unzip();
        CurveData { name, ink: ink.variable(), dashed, x, y }
    });
    PageChart { data: data.collect(), title: chart.title, counts, wide, narrow }
}

/// A number with as many digits as anyone reads, so that the page stays small.
fn rounded(value: f64) -> f64 {
    (value * 1e5).round() / 1e5
}
