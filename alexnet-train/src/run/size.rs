//! How much of the disk a run takes.

use std::collections::HashSet;

use walkdir::WalkDir;

use crate::run::RunFolder;

impl RunFolder {
    /// The bytes of all files in the folder. Where a file has several names, as checkpoints have,
    /// it counts once.
    pub fn size(&self) -> u64 {
        let mut seen = HashSet::new();
        let files = WalkDir::new(self.path()).into_iter().filter_map(Result::ok);
        let files = files.filter_map(|entry| entry.metadata().ok());
        let files = files.filter(|file| file.is_file());
        files.filter(|file| identity(file).is_none_or(|id| seen.insert(id))).map(|f| f.len()).sum()
    }
}

/// What all names of a file have in common.
#[cfg(unix)]
fn identity(file: &std::fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((file.dev(), file.ino()))
}

/// What all names of a file have in common.
#[cfg(not(unix))]
fn identity(_file: &std::fs::Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::new(folder.path());
        std::fs::create_dir(run.checkpoints()).unwrap();
        std::fs::write(run.checkpoint(), b"12345").unwrap();
        std::fs::write(run.log(), b"123").unwrap();
        std::fs::hard_link(run.checkpoint(), run.checkpoints().join("best")).unwrap();
        assert_eq!(run.size(), if cfg!(unix) { 8 } else { 13 });
    }
}
