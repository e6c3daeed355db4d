//! The progress of a preparation: a bar, lines of JSON, or nothing.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use alexnet_data::{Progress, Stage};
use indicatif::ProgressBar;

use crate::output::tell;
use crate::progress::style;

/// How often a line of JSON is written.
const PERIOD: Duration = Duration::from_secs(1);

/// Shows the progress of one stage after another.
pub(super) struct ProgressDisplay {
    quiet: bool,
    json: bool,
    stage: Mutex<Option<StageDisplay>>,
}

/// The stage that is shown. Its bar also measures its time for lines of JSON.
struct StageDisplay {
    stage: Stage,
    bar: ProgressBar,
    last_line: Instant,
}

impl ProgressDisplay {
    pub(super) fn new(quiet: bool, json: bool) -> Self {
        Self { quiet, json, stage: Mutex::new(None) }
    }

    pub(super) fn show(&self, progress: Progress) {
        let Ok(mut shown) = self.stage.lock() else { return };
        if let Some(old) = shown.take_if(|shown| shown.stage != progress.stage) {
            old.bar.finish_and_clear();
        }
        let shown = shown.get_or_insert_with(|| {
            let hidden = self.quiet || self.json;
            let bar = if hidden { ProgressBar::hidden() } else { stage_bar(progress) };
            StageDisplay { stage: progress.stage, bar, last_line: Instant::now() }
        });
        if self.json {
            show_json(shown, progress);
        } else {
            show_bar(&shown.bar, progress);
        }
    }

    pub(super) fn clear(&self) {
        if let Some(shown) = self.stage.lock().ok().and_then(|mut shown| shown.take()) {
            shown.bar.finish_and_clear();
        }
    }
}

/// Writes a line of JSON at the end of a stage, and every second before it.
fn show_json(shown: &mut StageDisplay, progress: Progress) {
    if shown.last_line.elapsed() >= PERIOD || progress.done == progress.total {
        shown.last_line = Instant::now();
        let line = serde_json::json!({
            "stage": name(progress.stage), "done": progress.done, "total": progress.total,
            "skipped": progress.skipped, "bytes": progress.bytes,
            "seconds": shown.bar.elapsed().as_secs_f64(),
        });
        tell(&line.to_string());
    }
}

fn show_bar(bar: &ProgressBar, progress: Progress) {
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
            "{prefix:8} {wide_bar} {pos}/{len} images, {rate}/s, {eta} left {msg}",
        ),
    };
    bar.set_style(style(template));
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
