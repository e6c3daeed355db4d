//! A chart: curves over an axis, with ticks, a grid and a legend.

use crate::drawing::font;
use crate::drawing::ink::Ink;
use crate::drawing::{Anchor, Area, Drawing};

/// A chart of curves.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the horizontal axis has, with its unit.
    pub(crate) x: String,
    pub(crate) curves: Vec<Curve>,
}

/// A curve with its name in the legend.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) name: String,
    /// Pairs of x and y, x rising. What is not finite is left out.
    pub(crate) points: Vec<[f64; 2]>,
    pub(crate) ink: Ink,
    pub(crate) dashed: bool,
}

/// Sizes of text.
const TITLE: f64 = 15.0;
const SMALL: f64 = 12.0;
/// The height of a row of the legend, and the length of its sample of a curve.
const ROW: f64 = 19.0;
const SAMPLE: f64 = 22.0;
/// The space between entries of the legend.
const SPACE: f64 = 18.0;
/// The least width of the labels of the vertical axis, so that charts below each other are even.
const LABELS: f64 = 26.0;
/// The space below the plot, for the labels of its axis.
const BELOW: f64 = 40.0;

impl Chart {
    /// Draws the chart into an area.
    pub(crate) fn draw(&self, drawing: &mut Drawing, area: Area) {
        let Area { x: left, y: top, width, .. } = area;
        drawing.text([left, top + TITLE], &self.title, TITLE, Ink::Text, Anchor::Start);
        let legend = self.draw_legend(drawing, [left, top + TITLE + 8.0], width);
        let [xs, ys] = [0, 1].map(|axis| self.range(axis));
        let (x_ticks, mut y_ticks) = (ticks(xs, 8, self.counts()), ticks(ys, 5, false));
        if let [.., before, last] = y_ticks[..]
            && last < ys[1]
        {
            y_ticks.push(last + (last - before)); // the highest point is below the highest line
        }
        let y_end = y_ticks.last().map_or(ys[1], |last| last.max(ys[1]));
        let labels: Vec<String> = y_ticks.iter().map(|y| label(*y, &y_ticks)).collect();
        let widest = labels.iter().map(|text| font::width(text, SMALL)).fold(LABELS, f64::max);
        let plot = Area {
            x: left + widest + 8.0,
            y: legend + 12.0,
            width: width - widest - 8.0 - 14.0,
            height: area.y + area.height - BELOW - legend - 12.0,
        };
        let bottom = plot.y + plot.height;
        let place = |[x, y]: [f64; 2]| {
            [plot.x + plot.width * share(x, xs), bottom - plot.height * share(y, [ys[0], y_end])]
        };
        for (y, text) in y_ticks.iter().zip(&labels) {
            let [_, y] = place([xs[0], *y]);
            let ends = vec![[plot.x, y], [plot.x + plot.width, y]];
            drawing.line(ends, Ink::Grid, 1.0, false);
            drawing.text([plot.x - 8.0, y + 4.0], text, SMALL, Ink::Faint, Anchor::End);
        }
        for x in &x_ticks {
            let [at, _] = place([*x, ys[0]]);
            drawing.line(vec![[at, bottom], [at, bottom + 4.0]], Ink::Faint, 1.0, false);
            let text = label(*x, &x_ticks);
            drawing.text([at, bottom + 18.0], &text, SMALL, Ink::Faint, Anchor::Middle);
        }
        let axis = vec![[plot.x, bottom], [plot.x + plot.width, bottom]];
        drawing.line(axis, Ink::Faint, 1.0, false);
        let middle = [plot.x + plot.width / 2.0, bottom + 35.0];
        drawing.text(middle, &self.x, SMALL, Ink::Faint, Anchor::Middle);
        for curve in &self.curves {
            let points: Vec<[f64; 2]> = finite(&curve.points).map(place).collect();
            if let [[x, y]] = points[..] {
                drawing.rect(x - 2.5, y - 2.5, 5.0, 5.0, curve.ink); // one point makes no line
            } else {
                drawing.line(points, curve.ink, 2.0, curve.dashed);
            }
        }
    }

    /// Draws the legend in rows from `at` on, and gives where it ends.
    fn draw_legend(&self, drawing: &mut Drawing, at: [f64; 2], width: f64) -> f64 {
        let [left, mut y] = at;
        let mut x = left;
        for Curve { name, ink, dashed, .. } in &self.curves {
            let name = font::fit(name, SMALL, width - SAMPLE - 6.0);
            let entry = SAMPLE + 6.0 + font::width(&name, SMALL);
            if x > left && x + entry > left + width {
                (x, y) = (left, y + ROW);
            }
            let middle = y + ROW / 2.0;
            drawing.line(vec![[x, middle], [x + SAMPLE, middle]], *ink, 2.0, *dashed);
            let baseline = [x + SAMPLE + 6.0, middle + 4.0];
            drawing.text(baseline, &name, SMALL, Ink::Text, Anchor::Start);
            x += entry + SPACE;
        }
        y + ROW
    }

    /// The least and the largest value of an axis; the vertical one begins at 0.
    fn range(&self, axis: usize) -> [f64; 2] {
        let values = || self.curves.iter().flat_map(|c| finite(&c.points)).map(|p| p[axis]);
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(f64::NEG_INFINITY, f64::max);
        let least = if axis == 1 { least.min(0.0) } else { least };
        match (least.is_finite(), most > least) {
            (true, true) => [least, most],
            (true, false) => [least, least + 1.0],
            _ => [0.0, 1.0],
        }
    }

    /// Whether the horizontal axis has whole numbers only.
    pub(crate) fn counts(&self) -> bool {
        self.curves.iter().flat_map(|c| finite(&c.points)).all(|[x, _]| x.fract() == 0.0)
    }
}

fn finite(points: &[[f64; 2]]) -> impl Iterator<Item = [f64; 2]> {
    points.iter().copied().filter(|[x, y]| x.is_finite() && y.is_finite())
}

/// Where in a range a value is, from 0 to 1.
fn share(value: f64, [least, most]: [f64; 2]) -> f64 {
    (value - least) / (most - least)
}

/// Round values within a range, about so many: multiples of 1, 2 or 5 times a power of ten.
fn ticks([least, most]: [f64; 2], about: usize, whole: bool) -> Vec<f64> {
    let raw = (most - least) / about as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= raw);
    let step = step.unwrap_or(raw);
    let step = if whole { step.max(1.0).round() } else { step };
    if !(step > 0.0 && step.is_finite()) {
        return vec![least, most];
    }
    let first = (least / step - 1e-9).ceil() as i64;
    let all = (first..).map(|n| n as f64 * step);
    all.take_while(|tick| *tick <= most + 1e-9 * step).take(100).collect()
}

/// A tick's label, with as many places as the distance of its neighbours needs.
fn label(value: f64, ticks: &[f64]) -> String {
    let step = ticks.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1.0);
    let places = (-step.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::{label, ticks};

    #[test]
    fn ticks_are_round_and_within_the_range() {
        assert_eq!(ticks([0.0, 90.0], 5, false), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(ticks([1.0, 3.0], 8, true), [1.0, 2.0, 3.0]);
        let small = ticks([0.0, 0.0042], 5, false);
        assert_eq!(
            small.iter().map(|t| label(*t, &small)).collect::<Vec<_>>(),
            ["0.000", "0.001", "0.002", "0.003", "0.004"]
        );
        assert_eq!(label(20.0, &[0.0, 20.0]), "20");
        for hopeless in [[0.0, 0.0], [0.0, f64::INFINITY], [f64::NAN, 1.0]] {
            assert_eq!(ticks(hopeless, 5, false).len(), 2);
        }
    }
}
