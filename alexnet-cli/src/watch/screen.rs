//! The screen: which panel stands where, by the size of the terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Gauge, Paragraph};

use super::palette::Palette;
use super::watched::Watched;
use crate::runs::facts::Position;
use crate::width::fold;

/// From this width on, the shares of time are bars beside the numbers.
const BARS: u16 = 76;
/// From this width on, there are also the norms of the layers.
const NORMS: u16 = 112;
/// The columns of the numbers and of the bars where others stand beside them.
const NUMBERS_WIDTH: u16 = 50;
const BARS_WIDTH: u16 = 29;
/// The rows of the bars, and of the curve of speeds below them.
const BARS_HEIGHT: u16 = 5;
pub(super) const SPEED_HEIGHT: u16 = 4;
/// The least rows of events, with their title, where there are so many.
const EVENTS: u16 = 4;

/// What the charts show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Span {
    /// The whole run.
    Whole,
    /// The last tenth of what is done.
    Latest,
}

impl Span {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Whole => Self::Latest,
            Self::Latest => Self::Whole,
        }
    }
}

/// A picture of a run at a moment.
pub(super) struct Screen<'a> {
    pub(super) watched: &'a Watched,
    pub(super) palette: Palette,
    pub(super) span: Span,
}

impl Screen<'_> {
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let Rect { width, height, .. } = frame.area();
        let header = self.header(width);
        let numbers = match width {
            ..BARS => self.numbers(width, self.watched.shares()),
            _ => self.numbers(NUMBERS_WIDTH, None),
        };
        let norms = if width < NORMS { 0 } else { self.norms_height().min(height / 3) };
        let bars = match width {
            ..BARS => 0,
            BARS..NORMS => BARS_HEIGHT,
            _ => BARS_HEIGHT + SPEED_HEIGHT,
        };
        let share = numbers.height.max(norms).max(bars);
        let rows = Layout::vertical([
            Constraint::Length(header.height() as u16),
            Constraint::Length(1),
            Constraint::Min(0),
            Constraint::Length(share),
            Constraint::Length(self.events_height(width).min(EVENTS.max(height / 6))),
            Constraint::Length(1),
        ]);
        let [top, gauge, charts, middle, events, keys] = rows.areas(frame.area());
        frame.render_widget(Paragraph::new(header), top);
        frame.render_widget(self.gauge(), gauge);
        self.charts(frame, charts);
        if width < BARS {
            frame.render_widget(numbers.table, middle);
        } else {
            let columns = Layout::horizontal([
                Constraint::Length(NUMBERS_WIDTH),
                Constraint::Length(BARS_WIDTH),
                Constraint::Min(0),
            ]);
            let [left, bars, right] = columns.spacing(1).areas(middle);
            frame.render_widget(numbers.table, left);
            self.shares(frame, bars);
            if norms > 0 {
                self.norms(frame, right);
            }
        }
        self.events(frame, events);
        let other = match self.span {
            Span::Whole => "z shows the last tenth",
            Span::Latest => "z shows the whole run",
        };
        frame.render_widget(format!("q, Esc or Ctrl-C leaves  {other}").dim(), keys);
    }

    /// The run and its state, what it is, how far it is.
    fn header(&self, width: u16) -> Text<'static> {
        let (watched, width) = (self.watched, usize::from(width));
        let style = self.palette.status(&watched.status);
        let run = format!("{}  {}", watched.folder.path().display(), watched.state());
        let mut lines: Vec<Line<'_>> = Vec::new();
        lines.extend(fold(&run, width).lines().map(|l| Line::styled(l.to_owned(), style.bold())));
        for text in [watched.what(), watched.progress()] {
            lines.extend(fold(&text, width).lines().map(|line| Line::raw(line.to_owned())));
        }
        Text::from(lines)
    }

    fn gauge(&self) -> Gauge<'static> {
        let complete = self.watched.log().end.is_some();
        let share = Position::of(self.watched.log()).map_or(0.0, |at| at.share());
        let share = if complete { 1.0 } else { share };
        let label = format!("{:.1} %", 100.0 * share);
        Gauge::default().ratio(share).label(label).gauge_style(self.palette.first())
    }
}
