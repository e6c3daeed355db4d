//! The output folder of a preparation, emptied again unless the preparation succeeds.

use crate::Error;
use crate::manifest::FILE;
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
    /// Makes the folder, or takes an empty one.
    pub(super) fn create(dir: &Path) -> Result<Self, Error> {
        if dir.join(FILE).exists() {
            return Err(Error::AlreadyPrepared { path: dir.into() });
        }
        if dir.exists() {
            let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?;
            let names = entries.filter_map(|e| Some(e.ok()?.file_name()));
            if let Some(name) = names.min() {
                let entry = name.to_string_lossy().into_owned();
                return Err(Error::NotEmpty { path: dir.into(), entry });
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
