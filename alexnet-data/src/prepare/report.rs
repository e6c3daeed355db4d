//! `report.jsonl`: every odd file, what was odd, what was done.

use super::output::Output;
use crate::manifest::Checksum;
use crate::whole::WholeFile;
use crate::{Error, FileInfo};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// How many faults an error names.
const NAMED: usize = 3;

/// What was done with an odd file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    /// It is not in the dataset.
    Skipped,
    /// It is in the dataset, as far as it could be decoded.
    Damaged,
    /// Worth a look; nothing was lost.
    Noted,
}

/// One line of the report.
#[derive(Serialize)]
struct Line<'a> {
    split: &'a str,
    path: &'a str,
    action: Action,
    reason: &'a str,
}

/// A report under way; written as it goes, for it may have a line for every image.
pub(super) struct Report {
    file: WholeFile,
    name: &'static str,
    hasher: crc32fast::Hasher,
    bytes: u64,
    faults: Vec<String>,
    pub(super) skipped: u64,
    pub(super) damaged: u64,
}

impl Report {
    pub(super) fn create(dir: &Path, name: &'static str) -> Result<Self, Error> {
        Ok(Self {
            file: WholeFile::create(&dir.join(name))?,
            name,
            hasher: crc32fast::Hasher::new(),
            bytes: 0,
            faults: Vec::new(),
            skipped: 0,
            damaged: 0,
        })
    }

    /// Adds one line.
    pub(super) fn add(
        &mut self,
        split: &str,
        path: &str,
        action: Action,
        reason: &str,
    ) -> Result<(), Error> {
        match action {
            Action::Skipped => self.skipped += 1,
            Action::Damaged => self.damaged += 1,
            Action::Noted => {}
        }
        if action != Action::Noted && self.faults.len() < NAMED {
            self.faults.push(format!("{path}: {reason}"));
        }
        let line = Line { split, path, action, reason };
        let text = serde_json::to_string(&line).expect("plain text is always JSON") + "\n";
        self.hasher.update(text.as_bytes());
        self.bytes += text.len() as u64;
        let path = self.file.path().to_path_buf();
        self.file.file().write_all(text.as_bytes()).map_err(Error::io("write", path))
    }

    /// The first few skipped or damaged images, with their reasons.
    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Puts the report into the output folder.
    pub(super) fn finish(self, output: &mut Output) -> Result<FileInfo, Error> {
        output.add(self.name);
        self.file.commit()?;
        let checksum = Checksum(self.hasher.finalize());
        Ok(FileInfo { file: self.name.into(), bytes: self.bytes, checksum })
    }
}
