//! The list of runs as a table that fits 80 columns.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use indicatif::DecimalBytes;

use super::listed::ListedRun;
use super::moment::ago;
use crate::width::COLUMNS;

const HEADER: [&str; 7] =
    ["run", "state", "epoch", "best\ntop-1", "last\ntop-1", "size", "last\nat work"];

/// Below a name stands where the run is at work or why it diverged; what is too long for a line
/// goes on in the next one.
pub(super) fn table(runs: &[ListedRun], now: f64) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS as u16);
    table.set_header(HEADER);
    for run in runs {
        let error = |error: Option<f64>| error.map_or("–".to_owned(), |e| format!("{e:.2} %"));
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        // Of a reason only what happened, without what to do.
        let detail = run.detail.as_deref().and_then(|detail| detail.split(": ").next());
        let detail = detail.map_or(String::new(), |detail| format!("\n└ {detail}"));
        table.add_row([
            Cell::new(format!("{}{detail}", run.run)),
            Cell::new(run.state),
            right(format!("{}/{}", run.epoch, run.epochs)),
            right(error(run.best_top1_error)),
            right(error(run.last_top1_error)),
            right(DecimalBytes(run.bytes).to_string()),
            right(run.last_time.map_or("–".to_owned(), |time| ago(time, now))),
        ]);
    }
    table.trim_fmt()
}
