//! The counts of a preparation: one line of words or of JSON.

use alexnet_data::{PartSummary, Summary};

/// Prints the counts of one part, and how to join all parts.
pub(super) fn part(json: bool, part: &str, summary: &PartSummary) {
    let PartSummary { shards: [own, all], images, skipped, damaged } = summary;
    if json {
        let line = serde_json::json!({
            "part": part, "shards": own, "shards_of_all": all,
            "images": images, "skipped": skipped, "damaged": damaged,
        });
        println!("{line}");
    } else {
        println!(
            "part {part}: {own} of {all} shards, {images} images, {skipped} unreadable and \
             skipped, {damaged} damaged; when all parts are there, join them with --merge"
        );
    }
}

/// Prints the counts of a finished dataset.
pub(super) fn whole(json: bool, summary: &Summary) {
    let Summary { images, splits, classes, skipped, damaged, ignored, report } = summary;
    if json {
        let splits: serde_json::Map<_, _> =
            splits.iter().map(|(name, n)| (name.clone(), (*n).into())).collect();
        let line = serde_json::json!({
            "images": images, "splits": splits, "classes": classes, "skipped": skipped,
            "damaged": damaged, "ignored": ignored, "report": report,
        });
        println!("{line}");
        return;
    }
    let splits: Vec<_> = splits.iter().map(|(name, n)| format!("{n} {name}")).collect();
    println!(
        "{images} images ({}), {classes} classes, {skipped} unreadable and skipped, {damaged} \
         damaged, {ignored} other files ignored; report: {}",
        splits.join(", "),
        report.display()
    );
}
