//! `report.jsonl`: every odd file, what was odd, what was done.

use super::REPORT;
use crate::manifest::Checksum;
use crate::whole::WholeFile;
use crate::{Error, FileInfo};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// How many faults an error names.
const NAMED: usize = 3;

/// What was done with an odd file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Odd {
    pub(super) split: String,
    pub(super) path: String,
    pub(super) action: Action,
    pub(super) reason: String,
}

impl Odd {
    pub(super) fn new(split: &str, path: String, action: Action, reason: String) -> Self {
        Self { split: split.into(), path, action, reason }
    }
}

/// A report under way; written as it goes, for it may have a line for every image.
pub(super) struct Report {
    file: WholeFile,
    hasher: crc32fast::Hasher,
    bytes: u64,
    faults: Vec<String>,
    pub(super) skipped: u64,
    pub(super) damaged: u64,
}

impl Report {
    pub(super) fn create(dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            file: WholeFile::create(&dir.join(REPORT))?,
            hasher: crc32fast::Hasher::new(),
            bytes: 0,
            faults: Vec::new(),
            skipped: 0,
            damaged: 0,
        })
    }

    /// Adds one line.
    pub(super) fn add(&mut self, odd: &Odd) -> Result<(), Error> {
        match odd.action {
            Action::Skipped => self.skipped += 1,
            Action::Damaged => self.damaged += 1,
            Action::Noted => {}
        }
        if odd.action != Action::Noted && self.faults.len() < NAMED {
            self.faults.push(format!("{}: {}", odd.path, odd.reason));
        }
        let text = serde_json::to_string(odd).expect("plain text is always JSON") + "\n";
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
    pub(super) fn finish(self) -> Result<FileInfo, Error> {
        self.file.commit()?;
        let checksum = Checksum(self.hasher.finalize());
        Ok(FileInfo { file: REPORT.into(), bytes: self.bytes, checksum })
    }
}

/// Counts the skipped and the damaged images of a finished report.
pub(super) fn count(dir: &Path) -> Result<(u64, u64), Error> {
    let path = dir.join(REPORT);
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let actions = || text.lines().filter_map(|l| serde_json::from_str::<Odd>(l).ok());
    let of = |action| actions().filter(|odd| odd.action == action).count() as u64;
    Ok((of(Action::Skipped), of(Action::Damaged)))
}
