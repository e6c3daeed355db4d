//! The tars of a WebDataset, and the split that the name of each, or of its folder, says.

use super::entries::{Entry, EntryKind, entries};
use super::listing::Scan;
use super::names::{is_hidden, is_image, text_of};
use super::split_names::splits_in;
use crate::error::{Error, Result};
use crate::prepare::report::Action;
use crate::progress::Stage;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The endings of tars that cannot be read in place.
const COMPRESSED: [&str; 9] = [
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".tar.xz",
    ".txz",
    ".tar.zst",
    ".tar.zstd",
    ".tar.lz4",
];

/// The tars of an input by their splits, in sorted order. What is not used is reported.
pub(super) fn shards(input: &Path, scan: &mut Scan<'_>) -> Result<Vec<(Stage, PathBuf)>> {
    if input.is_file() {
        let stage = split_of(input, None)?.unwrap_or(Stage::Train);
        return Ok(vec![(stage, input.into())]);
    }
    let (mut shards, mut unnamed) = (Vec::new(), Vec::new());
    for entry in entries(input)?.0 {
        let path = input.join(&entry.name);
        if entry.kind == EntryKind::Folder && !is_hidden(&entry.name) {
            match split_of(&path, None)? {
                Some(stage) => shards.extend(shards_in(&path, stage, scan)?),
                None => note_folder(&path, &text_of(&entry.name), scan)?,
            }
        } else if is_shard(&path, &entry)? {
            match split_of(&path, None)? {
                Some(stage) => shards.push((stage, path)),
                None => unnamed.push(path),
            }
        } else {
            note_file("", &entry, scan);
        }
    }
    let has_train = shards.iter().any(|(stage, _)| *stage == Stage::Train);
    for path in unnamed {
        if has_train {
            let (name, reason) = (text_of(path.file_name().unwrap_or_default()), "read as train");
            scan.note("train", &name, Action::Noted, &format!("{reason}: its name says no split"));
        }
        shards.push((Stage::Train, path));
    }
    shards.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(shards)
}

/// The tars in the folder of a split.
fn shards_in(dir: &Path, stage: Stage, scan: &mut Scan<'_>) -> Result<Vec<(Stage, PathBuf)>> {
    let (mut shards, folder) = (Vec::new(), text_of(dir.file_name().unwrap_or_default()));
    for entry in entries(dir)?.0 {
        let path = dir.join(&entry.name);
        if entry.kind == EntryKind::Folder {
            note_folder(&path, &format!("{folder}/{}", text_of(&entry.name)), scan)?;
        } else if is_shard(&path, &entry)? {
            split_of(&path, Some(stage))?;
            shards.push((stage, path));
        } else {
            note_file(&format!("{folder}/"), &entry, scan);
        }
    }
    Ok(shards)
}

/// The split that the name of a tar or folder says, which must not be another than that of the
/// folder it is in.
fn split_of(path: &Path, folder: Option<Stage>) -> Result<Option<Stage>> {
    let mut splits = splits_in(&path.file_name().unwrap_or_default().to_string_lossy());
    splits.extend(folder.filter(|stage| !splits.contains(stage)));
    match splits[..] {
        [] => Ok(None),
        [stage] => Ok(Some(stage)),
        [one, other, ..] => {
            let problem = format!(
                "its path says {} and {}: it can be of one split only, so rename it",
                one.split(),
                other.split()
            );
            Err(Error::source(path, problem))
        }
    }
}

pub(super) fn is_tar(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tar"))
}

fn is_shard(path: &Path, entry: &Entry) -> Result<bool> {
    match entry.kind {
        EntryKind::BrokenLink(reason) if is_tar(&entry.name) => Err(Error::source(path, reason)),
        kind => Ok(kind == EntryKind::File && is_tar(&entry.name)),
    }
}

/// Reports a folder that is not used, if it holds tars.
fn note_folder(path: &Path, name: &str, scan: &mut Scan<'_>) -> Result<()> {
    let tars = entries(path)?.0.into_iter().filter(|entry| is_tar(&entry.name)).count();
    if tars > 0 {
        let reason = format!("{tars} tars in a folder that is no split");
        scan.note("", name, Action::Unused, &reason);
    }
    Ok(())
}

/// Reports a file that is no tar, if it is a compressed one or an image.
fn note_file(folder: &str, entry: &Entry, scan: &mut Scan<'_>) {
    let text = text_of(&entry.name);
    let (name, lower) = (format!("{folder}{text}"), text.to_ascii_lowercase());
    if COMPRESSED.iter().any(|ending| lower.ends_with(ending)) {
        let reason = "a compressed tar cannot be read in place: decompress it";
        scan.note("", &name, Action::Unused, reason);
    } else if is_image(Path::new(&entry.name)) {
        scan.note("", &name, Action::Skipped, "an image in no tar");
    }
}
