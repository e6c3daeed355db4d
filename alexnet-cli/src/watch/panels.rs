//! The panels below the charts: numbers, shares of time, norms of the layers, events.

use alexnet_train::LayerNorms;
use ratatui::Frame;
use ratatui::layout::{Constraint, Direction, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Bar, BarChart, BarGroup, Block, Borders, Paragraph, Row, Sparkline, Table};

use super::facts::Fact;
use super::screen::{SPEED_HEIGHT, Screen};
use crate::runs::facts::Times;
use crate::width::fold;

/// The columns of a label.
const LABEL: u16 = 12;

/// The numbers as a table, and how many rows it takes.
pub(super) struct Numbers {
    pub(super) table: Table<'static>,
    pub(super) height: u16,
}

impl Screen<'_> {
    /// The numbers in a table so wide, also those that are `more`. Long ones go on in the next row.
    pub(super) fn numbers(&self, width: u16, more: Option<Fact>) -> Numbers {
        let value_width = usize::from(width.saturating_sub(LABEL + 1).max(1));
        let mut height = 0;
        let facts = self.watched.numbers().into_iter().chain(more);
        let rows = facts.map(|(label, value)| {
            let value = Text::raw(fold(&value, value_width));
            let lines = value.height() as u16;
            height += lines;
            Row::new([Text::raw(label).bold(), value]).height(lines)
        });
        let rows: Vec<Row<'_>> = rows.collect();
        let table = Table::new(rows, [Constraint::Length(LABEL), Constraint::Fill(1)]);
        Numbers { table: table.column_spacing(0), height }
    }

    /// What the time is spent for, as bars; and the speed of the steps, where there is room.
    pub(super) fn shares(&self, frame: &mut Frame<'_>, area: Rect) {
        let shares = Times::of(self.watched.log()).shares();
        let rows = [Constraint::Length(shares.len() as u16 + 1), Constraint::Min(0)];
        let [time, speed] = Layout::vertical(rows).areas(area);
        let bars = shares.into_iter().map(|(name, share)| {
            let label = format!("{name:<11} {share:>3.0} %");
            Bar::default().label(label).value(share.round() as u64).text_value("")
        });
        let bars: Vec<Bar<'_>> = bars.collect();
        let chart = BarChart::default()
            .block(Block::new().borders(Borders::TOP).title("time"))
            .direction(Direction::Horizontal)
            .bar_gap(0)
            .max(100)
            .bar_style(self.palette.first())
            .data(BarGroup::default().bars(&bars));
        frame.render_widget(chart, time);
        if speed.height >= SPEED_HEIGHT {
            self.speed(frame, speed);
        }
    }

    /// The images per second of the latest steps.
    fn speed(&self, frame: &mut Frame<'_>, area: Rect) {
        let steps = self.watched.log().steps.iter().rev().take(usize::from(area.width));
        let speeds = steps.map(|step| f64::from(step.images) / step.seconds.max(1e-9));
        let mut speeds: Vec<u64> = speeds.map(|speed| speed.round() as u64).collect();
        speeds.reverse();
        let block = Block::new().borders(Borders::TOP).title("images/s, latest steps");
        let sparkline = Sparkline::default().block(block).style(self.palette.first());
        frame.render_widget(sparkline.data(speeds), area);
    }

    /// The rows that the norms of the layers take; 0 where they were not measured.
    pub(super) fn norms_height(&self) -> u16 {
        self.watched.log().norms.last().map_or(0, |norms| norms.layers.len() as u16 + 2)
    }

    /// The norms of the layers, as they were measured last.
    pub(super) fn norms(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(norms) = self.watched.log().norms.last() else { return };
        let header = ["norm of", "weight", "gradient", "update", "of weight"];
        let rows = norms.layers.iter().map(|LayerNorms { layer, weight, gradient, update }| {
            let [w, g, u] = [weight, gradient, update].map(|norm| format!("{norm:.2e}"));
            Row::new([layer.clone(), w, g, u, format!("{:.1e}", update / weight)])
        });
        let widths = [Constraint::Fill(1), Constraint::Length(9), Constraint::Length(9)];
        let widths = [&widths[..], &[Constraint::Length(9); 2]].concat();
        let title = format!("layers, epoch {} step {}", norms.epoch + 1, norms.step + 1);
        let table = Table::new(rows, widths)
            .header(Row::new(header).bold())
            .block(Block::new().borders(Borders::TOP).title(title));
        frame.render_widget(table, area);
    }

    /// The rows that all events take, with their title.
    pub(super) fn events_height(&self, width: u16) -> u16 {
        let events = self.watched.events();
        let rows = events.iter().map(|event| fold(event, usize::from(width)).lines().count());
        u16::try_from(rows.sum::<usize>().max(1)).unwrap_or(u16::MAX - 1) + 1
    }

    /// The newest events that fit whole, the latest last.
    pub(super) fn events(&self, frame: &mut Frame<'_>, area: Rect) {
        let (rows, width) = (usize::from(area.height.saturating_sub(1)), usize::from(area.width));
        let mut lines: Vec<Line<'_>> = Vec::new();
        for event in self.watched.events().iter().rev() {
            let folded = fold(event, width);
            if lines.len() + folded.lines().count() > rows {
                break;
            }
            lines.splice(0..0, folded.lines().map(|line| Line::raw(line.to_owned())));
        }
        if lines.is_empty() {
            lines.push(Line::raw("none so far"));
        }
        let block = Block::new().borders(Borders::TOP).title("events");
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }
}
