//! The output folder of a preparation, emptied again unless the preparation succeeds.

use crate::Error;
use crate::manifest::FILE;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder being filled: dropping it removes what was added, unless [`Output::keep`] was called.
pub(super) struct Output {
    dir: PathBuf,
    /// The folders that had to be made, outermost first.
    made: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Output {
    /// Makes the folder, or takes an empty one. What an interrupted preparation left is removed
    /// where `renew` allows it: nothing without a manifest is a dataset, but it may have taken a day.
    pub(super) fn create(dir: &Path, renew: bool) -> Result<Self, Error> {
        if dir.join(FILE).exists() {
            return Err(Error::AlreadyPrepared { path: dir.into() });
        }
        if dir.exists() {
            let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?;
            let names: Vec<_> = entries.filter_map(|e| Some(e.ok()?.file_name())).collect();
            if let Some(name) = names.iter().filter(|name| !is_ours(name)).min() {
                let entry = name.to_string_lossy().into_owned();
                return Err(Error::NotEmpty { path: dir.into(), entry });
            }
            if !names.is_empty() && !renew {
                return Err(Error::Unfinished { path: dir.into() });
            }
            for path in names.iter().map(|name| dir.join(name)) {
                fs::remove_file(&path).map_err(Error::io("remove", path))?;
            }
        }
        let missing = |d: &&Path| !d.as_os_str().is_empty() && !d.exists();
        let mut made: Vec<_> = dir.ancestors().take_while(missing).map(PathBuf::from).collect();
        made.reverse();
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        Ok(Self { dir: dir.into(), made, files: Vec::new() })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Notes a file that is about to appear in the folder, and returns its path.
    pub(super) fn add(&mut self, file: &str) -> PathBuf {
        let path = self.dir.join(file);
        self.files.push(path.clone());
        path
    }

    /// The preparation has succeeded.
    pub(super) fn keep(mut self) {
        self.files.clear();
        self.made.clear();
    }
}

/// Whether a file of that name is one a preparation writes.
fn is_ours(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == super::REPORT
        || name.ends_with(".partial") && name.starts_with('.')
        || name.ends_with(".shard") && (name.starts_with("train-") || name.starts_with("val-"))
}

impl Drop for Output {
    fn drop(&mut self) {
        // An error is on its way to the caller already; a second one has nowhere to go.
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for dir in self.made.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}
