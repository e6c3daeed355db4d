//! The colours of the screen. Nothing is told by its colour alone.

use alexnet_train::RunStatus;
use ratatui::style::{Color, Style};

/// Colours, or none where `NO_COLOR` is set (<https://no-color.org>).
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    pub(super) colors: bool,
}

impl Palette {
    pub(super) fn of_environment() -> Self {
        Self { colors: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    fn style(self, color: Color) -> Style {
        if self.colors { Style::new().fg(color) } else { Style::new() }
    }

    /// What stands behind, as the steps that scatter around their mean.
    pub(super) fn faint(self) -> Style {
        self.style(Color::DarkGray)
    }

    pub(super) fn first(self) -> Style {
        self.style(Color::Cyan)
    }

    pub(super) fn second(self) -> Style {
        self.style(Color::Yellow)
    }

    pub(super) fn status(self, status: &RunStatus) -> Style {
        self.style(match status {
            RunStatus::Running(_) => Color::Green,
            RunStatus::Stopped => Color::Yellow,
            RunStatus::Diverged(_) => Color::Red,
            RunStatus::Done => Color::Cyan,
        })
    }
}
