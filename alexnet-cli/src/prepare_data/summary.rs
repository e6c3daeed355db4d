//! The counts of a preparation: one line of words or of JSON.

use alexnet_data::{Part, PartSummary, Summary};
use serde_json::{Map, json};

use crate::output::json_path;

/// How many names the line has of a list.
const NAMED: usize = 5;

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
        "part {part}: {own} of {all} shards, {images} images, {skipped} unreadable or \
         skipped, {damaged} damaged; when all parts are there, join them with --merge"
    )
}

/// The counts of a finished dataset, and what a person might not expect of it.
pub(super) fn whole(json: bool, summary: &Summary) -> String {
    let Summary { images, splits, classes, skipped, damaged, ignored, .. } = summary;
    let Summary { unused, empty_classes, report, .. } = summary;
    if json {
        let splits: Map<_, _> =
            splits.iter().map(|(name, n)| (name.clone(), (*n).into())).collect();
        let empty: Map<_, _> =
            empty_classes.iter().map(|(split, names)| (split.clone(), json!(names))).collect();
        let line = json!({
            "images": images, "splits": splits, "classes": classes, "skipped": skipped,
            "damaged": damaged, "ignored": ignored, "unused": unused, "empty_classes": empty,
            "report": json_path(report),
        });
        return line.to_string();
    }
    let counts: Vec<_> = splits.iter().map(|(name, n)| format!("{n} {name}")).collect();
    let mut line = format!(
        "{images} images ({}), {classes} classes, {skipped} unreadable or skipped, \
         {damaged} damaged, {ignored} \
         other files ignored",
        counts.join(", ")
    );
    if splits.iter().all(|(name, _)| name != "val") {
        line += "; no val split";
    }
    for (split, _) in splits.iter().filter(|(_, images)| *images == 0) {
        line += &format!("; no {split} image could be read");
    }
    for (split, names) in empty_classes {
        line += &format!("; {} without a {split} image: {}", count(names.len()), few(names));
    }
    if !unused.is_empty() {
        line += &format!("; not used: {}", few(unused));
    }
    format!("{line}; report: {}", report.display())
}

fn count(classes: usize) -> String {
    if classes == 1 { "1 class".into() } else { format!("{classes} classes") }
}

/// The first few names of a list, and how many more there are.
fn few(names: &[String]) -> String {
    let named = names.len().min(NAMED);
    // A name of a file may have a line break in it.
    let text = names[..named].join(", ").replace(char::is_control, " ");
    if named < names.len() { format!("{text} and {} more", names.len() - named) } else { text }
}
