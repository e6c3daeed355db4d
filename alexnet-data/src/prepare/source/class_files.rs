//! The images of one class folder, at any depth; links are followed, and what is not taken is
//! reported.

use super::entries::{broken_link, looks_like_image};
use super::links::leads_to_class;
use super::listing::Scan;
use super::names::{is_hidden, is_image, is_junk, text_of};
use crate::error::{Error, Result};
use crate::prepare::report::Action;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The images of one class folder, as paths below `root`, in sorted order.
pub(super) fn class_files(
    split: &str,
    root: &Path,
    folder: &OsStr,
    scan: &mut Scan<'_>,
) -> Result<Vec<PathBuf>> {
    let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_path_buf();
    let mut images = Vec::new();
    let mut walk = WalkDir::new(root.join(folder))
        .follow_links(true) // with an error for a link that leads to a folder above it
        .sort_by(|a, b| a.file_name().as_encoded_bytes().cmp(b.file_name().as_encoded_bytes()))
        .into_iter();
    while let Some(entry) = walk.next() {
        let (path, reason) = match entry {
            Ok(entry) if entry.depth() == 0 => continue,
            Ok(entry) if is_junk(entry.file_name()) => {
                scan.ignored += 1;
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
                continue;
            }
            Ok(entry) if entry.file_type().is_dir() => {
                if !entry.path_is_symlink() {
                    continue;
                }
                match leads_to_class(entry.path(), &scan.class_folders)? {
                    None => continue,
                    Some(reason) => {
                        walk.skip_current_dir();
                        (entry.into_path(), reason)
                    }
                }
            }
            Ok(entry) => {
                let (path, is_file) = (entry.path(), entry.file_type().is_file());
                if !(is_image(path) || is_file && looks_like_image(path)?) {
                    scan.ignored += 1;
                    continue;
                }
                let path = below(path);
                let hidden = path.iter().skip(1).any(is_hidden);
                match (is_file, hidden) {
                    (true, false) => {
                        images.push(path);
                        continue;
                    }
                    (true, true) => (path, "hidden: a name in its path starts with a dot".into()),
                    // To open a pipe would wait forever.
                    (false, _) => (path, "not a regular file".into()),
                }
            }
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                let is_circle = error.loop_ancestor().is_some();
                let reason = match error.into_io_error() {
                    Some(error) => match broken_link(&path, &error) {
                        Some(reason) => reason,
                        None => return Err(Error::io("read", path)(error)),
                    },
                    None if is_circle => "a link that leads back to a folder above it",
                    None => "cannot be listed",
                };
                (path, reason.to_owned())
            }
        };
        scan.note(split, &text_of(below(&path)), Action::Skipped, &reason);
    }
    Ok(images)
}
