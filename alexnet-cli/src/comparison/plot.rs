//! The differences of an experiment as a plot: one line for each arm, with its interval.

use alexnet_train::{ArmOutcome, Outcome};

use crate::drawing::ink::Ink;
use crate::drawing::{Anchor, Drawing, font};

const TEXT: f64 = 13.0;
const ROW: f64 = 24.0;
const TOP: f64 = 64.0;
const PLOT: f64 = 420.0;

/// How many points of top-1 error each arm has more than the first, with its interval.
pub(super) fn differences(outcome: &Outcome, title: &str) -> Drawing {
    let arms: Vec<&ArmOutcome> =
        outcome.arms.iter().filter(|arm| arm.top1.difference.is_some()).collect();
    let names = arms.iter().map(|arm| font::width(&arm.about, TEXT)).fold(0.0, f64::max);
    let left = names + 28.0;
    let (width, bottom) = (left + PLOT + 24.0, TOP + ROW * arms.len() as f64);
    let mut drawing = Drawing::new(width, bottom + 44.0, title);
    drawing.text([12.0, 24.0], title, 15.0, Ink::Text, Anchor::Start);
    let base = outcome.arms.first().map_or(f64::NAN, |arm| arm.top1.mean());
    let axis = format!("points of top-1 error more than the base, which has {base:.2} %");
    drawing.text([left, 46.0], &axis, 12.0, Ink::Faint, Anchor::Start);

    let ends = arms.iter().filter_map(|arm| arm.top1.difference).flat_map(|d| [d.low, d.high]);
    let (low, high) = ends.fold((0.0, 0.0), |(l, h): (f64, f64), e| (l.min(e), h.max(e)));
    let step = step((high - low).max(0.1));
    let (first, last) = ((low / step).floor(), (high / step).ceil());
    let place = |points: f64| left + PLOT * (points / step - first) / (last - first);
    for tick in first as i64..=last as i64 {
        let points = tick as f64 * step;
        let ink = if tick == 0 { Ink::Text } else { Ink::Grid };
        let x = place(points);
        drawing.line(vec![[x, TOP], [x, bottom]], ink, 1.0, false);
        let text = format!("{points:+.0$}", if step < 1.0 { 1 } else { 0 });
        let text = if tick == 0 { "0" } else { &text };
        drawing.text([x, bottom + 18.0], text, 12.0, Ink::Faint, Anchor::Middle);
    }
    for (row, arm) in arms.iter().enumerate() {
        let Some(d) = arm.top1.difference else { continue };
        let y = TOP + ROW * (row as f64 + 0.5);
        drawing.text([left - 16.0, y + 4.5], &arm.about, TEXT, Ink::Text, Anchor::End);
        let ink = if d.low > 0.0 || d.high < 0.0 { Ink::Right } else { Ink::Guess };
        drawing.line(vec![[place(d.low), y], [place(d.high), y]], ink, 2.0, false);
        drawing.rect(place(d.mean) - 4.0, y - 4.0, 8.0, 8.0, ink);
    }
    drawing
}

/// The distance of ticks for a range, 1, 2 or 5 times a power of ten.
fn step(range: f64) -> f64 {
    let power = 10f64.powf((range / 8.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|n| n * power);
    steps.into_iter().find(|step| range / step <= 8.0).unwrap_or(10.0 * power).max(0.1)
}
