//! The charts: the loss, and the error rates.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span as Words};
use ratatui::widgets::{Axis, Block, Borders, Chart, Dataset, GraphType, Paragraph};

use super::curves::{LossCurves, Point, errors, of_validation};
use super::screen::{Screen, Span};
use crate::runs::facts::Position;

/// From this width on, a chart of errors has room for the name of a third curve.
const THREE: u16 = 36;

/// A curve with its name. Its marker also tells it apart, for those who see no colours.
struct Curve {
    name: &'static str,
    sign: &'static str,
    marker: Marker,
    graph: GraphType,
    style: Style,
    points: Vec<Point>,
}

impl Screen<'_> {
    /// The loss on the left, the errors on the right.
    pub(super) fn charts(&self, frame: &mut Frame<'_>, area: Rect) {
        let halves = [Constraint::Fill(1), Constraint::Fill(1)];
        let [left, right] = Layout::horizontal(halves).spacing(1).areas(area);
        let (palette, log) = (self.palette, self.watched.log());
        let now = Position::of(log).map_or(0.0, |at| at.share() * at.epochs as f64);
        let from = if self.span == Span::Latest { 0.9 * now } else { 0.0 };
        let until = now.max(from + 1e-3);

        let LossCurves { steps, smooth } = LossCurves::new(log, from, usize::from(left.width));
        let top = highest(&smooth, &steps);
        let steps = scatter("steps", palette.faint(), steps);
        let curves = [steps, line("mean", palette.first(), smooth)];
        draw(frame, left, "loss", &curves, [from, until], top);

        let train = errors(log, from, |epoch| epoch.train_error);
        let top1 = errors(log, from, of_validation(|v| v.top1_error));
        let top5 = errors(log, from, of_validation(|v| v.top5_error));
        let mut curves =
            vec![scatter("train", palette.faint(), train), line("top-1", palette.first(), top1)];
        if right.width >= THREE {
            let top5 = line("top-5", palette.second(), top5);
            curves.push(Curve { sign: "▄", marker: Marker::HalfBlock, ..top5 });
        }
        let top = curves.iter().flat_map(|curve| &curve.points).map(|(_, y)| *y);
        let top = top.filter(|y| y.is_finite()).fold(0.0, f64::max);
        draw(frame, right, "error %", &curves, [from, until], top);
    }
}

fn scatter(name: &'static str, style: Style, points: Vec<Point>) -> Curve {
    let graph = GraphType::Scatter;
    Curve { name, sign: "•", marker: Marker::Dot, graph, style, points }
}

fn line(name: &'static str, style: Style, points: Vec<Point>) -> Curve {
    Curve { name, sign: "⠒", marker: Marker::Braille, graph: GraphType::Line, style, points }
}

/// The top of the chart of losses: the highest mean, and most of the steps. A step that explodes
/// would leave nothing to see of the others.
fn highest(smooth: &[Point], steps: &[Point]) -> f64 {
    let mut losses: Vec<f64> = steps.iter().map(|(_, loss)| *loss).collect();
    losses.sort_by(f64::total_cmp);
    let most = losses.get(losses.len() * 98 / 100).copied().unwrap_or_default();
    let finite = smooth.iter().map(|(_, loss)| *loss).filter(|loss| loss.is_finite());
    let middle = losses.get(losses.len() / 2).copied().unwrap_or_default();
    finite.fold(most, f64::max).min(10.0 * middle)
}

fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &'static str,
    curves: &[Curve],
    x: [f64; 2],
    top: f64,
) {
    let mut words = vec![Words::raw(title)];
    for Curve { name, sign, style, .. } in curves {
        words.push(Words::styled(format!("  {sign} {name}"), *style));
    }
    let block = Block::new().borders(Borders::TOP).title(Line::from(words));
    let points = || curves.iter().flat_map(|curve| &curve.points);
    if points().next().is_none() {
        let text = Paragraph::new("nothing yet").block(block);
        return frame.render_widget(text, area);
    }
    let bottom = points().map(|(_, y)| *y).filter(|y| y.is_finite()).fold(top, f64::min);
    let (bottom, top) = if top > bottom { (bottom, top) } else { (bottom - 0.5, bottom + 0.5) };
    let datasets = curves.iter().map(|curve| {
        let dataset = Dataset::default().marker(curve.marker).graph_type(curve.graph);
        dataset.style(curve.style).data(&curve.points)
    });
    let [first, last] = x.map(|x| format!("{x:.1}"));
    let middle = (bottom + top) / 2.0;
    let y_labels = [bottom, middle, top].map(|y| format!("{y:.*}", digits(top - bottom)));
    let chart = Chart::new(datasets.collect())
        .block(block)
        .legend_position(None)
        .x_axis(Axis::default().bounds(x).labels([first, format!("epoch {last}")]))
        .y_axis(Axis::default().bounds([bottom, top]).labels(y_labels));
    frame.render_widget(chart, area);
}

/// The digits that tell the labels of an axis apart.
fn digits(span: f64) -> usize {
    match span {
        10.0.. => 0,
        1.0..10.0 => 1,
        0.1..1.0 => 2,
        _ => 3,
    }
}
