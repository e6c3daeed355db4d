//! Finds the runs below a folder: alone, of several seeds, of experiments.

use std::path::{Path, PathBuf};

use alexnet_train::RunFolder;
use walkdir::WalkDir;

/// The folders of runs in `folder`, itself included, in the order of their paths. Hidden folders
/// are left out, and folders that cannot be read.
pub(crate) fn runs_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut walk = WalkDir::new(folder).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let Ok(entry) = entry else { continue };
        if !entry.file_type().is_dir() && entry.depth() > 0 {
            continue;
        }
        let hidden = entry.file_name().to_string_lossy().starts_with('.') && entry.depth() > 0;
        let is_run = RunFolder::new(entry.path()).is_begun();
        if hidden || is_run {
            walk.skip_current_dir();
        }
        if is_run && !hidden {
            found.push(entry.into_path());
        }
    }
    found
}
