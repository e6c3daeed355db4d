//! Progress of a preparation: a bar for people, lines of JSON for machines, or nothing.

use alexnet_data::{Progress, Stage};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a line of JSON is written.
const PERIOD: Duration = Duration::from_secs(1);

/// Where progress is shown.
pub(super) enum Show {
    Bar(Bar),
    Json(Mutex<Option<(Stage, Instant, Instant)>>),
    Nothing,
}

impl Show {
    pub(super) fn new(quiet: bool, json: bool) -> Self {
        match (json, quiet) {
            (_, true) => Self::Nothing,
            (true, _) => Self::Json(Mutex::new(None)),
            _ => Self::Bar(Bar::new()),
        }
    }

    pub(super) fn show(&self, progress: Progress) {
        match self {
            Self::Bar(bar) => bar.show(progress),
            Self::Json(state) => line(state, progress),
            Self::Nothing => {}
        }
    }

    pub(super) fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.clear();
        }
    }
}

/// A line of JSON at the end of a stage, and every second before it.
fn line(state: &Mutex<Option<(Stage, Instant, Instant)>>, progress: Progress) {
    let Ok(mut state) = state.lock() else { return };
    let now = Instant::now();
    let (start, last) = match *state {
        Some((stage, start, last)) if stage == progress.stage => (start, last),
        _ => (now, now),
    };
    let due = now - last >= PERIOD || progress.done == progress.total;
    *state = Some((progress.stage, start, if due { now } else { last }));
    if due {
        let line = serde_json::json!({
            "stage": name(progress.stage), "done": progress.done, "total": progress.total,
            "skipped": progress.skipped, "bytes": progress.bytes,
            "seconds": (now - start).as_secs_f64(),
        });
        // A reader that has gone is no reason to stop preparing.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Drawing => "drawing",
        Stage::Scanning => "listing",
        Stage::Train => "train",
        Stage::Val => "val",
        Stage::Test => "test",
    }
}

/// One bar for each stage, one after the other.
pub(super) struct Bar(Mutex<Option<(Stage, ProgressBar)>>);

impl Bar {
    fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn show(&self, progress: Progress) {
        let Ok(mut current) = self.0.lock() else { return };
        if !matches!(&*current, Some((stage, _)) if *stage == progress.stage) {
            if let Some((_, bar)) = current.take() {
                bar.finish_and_clear();
            }
            // Images of an earlier run are no part of this one's rate.
            let bar = stage_bar(progress).with_position(progress.done.saturating_sub(1));
            bar.reset_eta();
            *current = Some((progress.stage, bar));
        }
        if let Some((_, bar)) = &*current {
            bar.set_position(progress.done);
            let rate = progress.bytes as f64 / 1e6 / bar.elapsed().as_secs_f64().max(1e-3);
            let skipped = match progress.skipped {
                0 => String::new(),
                n => format!(", {n} skipped"),
            };
            bar.set_message(format!("{rate:.0} MB/s{skipped}"));
        }
    }

    fn clear(&self) {
        if let Ok(mut current) = self.0.lock()
            && let Some((_, bar)) = current.take()
        {
            bar.finish_and_clear();
        }
    }
}

fn stage_bar(progress: Progress) -> ProgressBar {
    let (bar, template) = match progress.total {
        0 => (ProgressBar::no_length(), "{prefix:8} {pos} images {msg}"),
        total => (
            ProgressBar::new(total),
            "{prefix:8} {wide_bar} {pos}/{len} {per_sec:>12} images, {eta} left {msg}",
        ),
    };
    // A template is a constant: where it is wrong, the usual style shows the same numbers.
    let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_prefix(name(progress.stage));
    bar
}
