//! The counts of a preparation: one line of words or of JSON.

use alexnet_data::{Part, PartSummary, Summary};
use serde_json::json;

use crate::output::json_path;

/// The counts of one part, and how to join all parts.
pub(super) fn part(json: bool, part: Part, summary: &PartSummary) -> String {
    let PartSummary { shards: [own, all], images, skipped, damaged } = summary;
    if json {
        let line = json!({
            "part": part.to_string(), "shards": own, "shards_of_all": all,
            "images": images, "skipped": skipped, "damaged": damaged,
        });
        return line.to_string();
    }
    format!(
        "part {part}: {own} of {all} shards, {images} images, {skipped} unreadable and skipped, \
         {damaged} damaged; when all parts are there, join them with --merge"
    )
}

/// The counts of a finished dataset.
pub(super) fn whole(json: bool, summary: &Summary) -> String {
    let Summary { images, splits, classes, skipped, damaged, ignored, report } = summary;
    if json {
        let splits: serde_json::Map<_, _> =
            splits.iter().map(|(name, n)| (name.clone(), (*n).into())).collect();
        let line = json!({
            "images": images, "splits": splits, "classes": classes, "skipped": skipped,
            "damaged": damaged, "ignored": ignored, "report": json_path(report),
        });
        return line.to_string();
    }
    let splits: Vec<_> = splits.iter().map(|(name, n)| format!("{n} {name}")).collect();
    format!(
        "{images} images ({}), {classes} classes, {skipped} unreadable and skipped, {damaged} \
         damaged, {ignored} other files ignored; report: {}",
        splits.join(", "),
        report.display()
    )
}
