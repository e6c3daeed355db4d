//! The progress of a preparation: a bar, lines of JSON, or nothing.

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use alexnet_data::{Progress, Stage};
use indicatif::{ProgressBar, ProgressStyle};

/// How often a line of JSON is written.
const PERIOD: Duration = Duration::from_secs(1);

/// How progress is shown.
pub(super) enum ProgressDisplay {
    Bar(Mutex<Option<(Stage, ProgressBar)>>),
    Json(Mutex<Option<JsonStage>>),
    Nothing,
}

/// The stage of which lines of JSON are written, and when it and the last line began.
pub(super) struct JsonStage {
    stage: Stage,
    start: Instant,
    last: Instant,
}

impl ProgressDisplay {
    pub(super) fn new(quiet: bool, json: bool) -> Self {
        match (json, quiet) {
            (_, true) => Self::Nothing,
            (true, _) => Self::Json(Mutex::new(None)),
            _ => Self::Bar(Mutex::new(None)),
        }
    }

    pub(super) fn show(&self, progress: Progress) {
        match self {
            Self::Bar(bar) => _ = bar.lock().map(|mut bar| show_bar(&mut bar, progress)),
            Self::Json(stage) => _ = stage.lock().map(|mut stage| show_json(&mut stage, progress)),
            Self::Nothing => {}
        }
    }

    pub(super) fn clear(&self) {
        if let Self::Bar(bar) = self
            && let Ok(mut bar) = bar.lock()
            && let Some((_, bar)) = bar.take()
        {
            bar.finish_and_clear();
        }
    }
}

/// Writes a line of JSON at the end of a stage, and every second before it.
fn show_json(current: &mut Option<JsonStage>, progress: Progress) {
    let now = Instant::now();
    let fresh = JsonStage { stage: progress.stage, start: now, last: now };
    let mut stage = current.take().filter(|s| s.stage == progress.stage).unwrap_or(fresh);
    if now - stage.last >= PERIOD || progress.done == progress.total {
        stage.last = now;
        let line = serde_json::json!({
            "stage": name(progress.stage), "done": progress.done, "total": progress.total,
            "skipped": progress.skipped, "bytes": progress.bytes,
            "seconds": (now - stage.start).as_secs_f64(),
        });
        // A reader that has gone is no reason to stop preparing.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    *current = Some(stage);
}

/// Moves the bar of the stage, which replaces that of the stage before.
fn show_bar(current: &mut Option<(Stage, ProgressBar)>, progress: Progress) {
    if let Some((_, old)) = current.take_if(|(stage, _)| *stage != progress.stage) {
        old.finish_and_clear();
    }
    let (_, bar) = current.get_or_insert_with(|| (progress.stage, stage_bar(progress)));
    bar.set_position(progress.done);
    let rate = progress.bytes as f64 / 1e6 / bar.elapsed().as_secs_f64().max(1e-3);
    let skipped = match progress.skipped {
        0 => String::new(),
        n => format!(", {n} skipped"),
    };
    bar.set_message(format!("{rate:.0} MB/s{skipped}"));
}

fn stage_bar(progress: Progress) -> ProgressBar {
    let (bar, template) = match progress.total {
        0 => (ProgressBar::no_length(), "{prefix:8} {pos} images {msg}"),
        total => (
            ProgressBar::new(total),
            "{prefix:8} {wide_bar} {pos}/{len} {per_sec:>12} images, {eta} left {msg}",
        ),
    };
    // The template is a constant. If it is wrong, the default style shows the same numbers.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar()));
    bar.set_prefix(name(progress.stage));
    // Images of an earlier run do not count for the rate of this one.
    bar.set_position(progress.done.saturating_sub(1));
    bar.reset_eta();
    bar
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
