//! `report.jsonl`: every file of the input that was skipped, is damaged or deserves a note.

use crate::atomic_file::AtomicFile;
use crate::error::{Error, Result};
use crate::manifest::FileInfo;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file's name.
pub(super) const REPORT: &str = "report.jsonl";
/// How many faults an error names.
const NAMED: usize = 3;

/// What was done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    /// It is not in the dataset.
    Skipped,
    /// It is in the dataset, as far as it could be decoded.
    Damaged,
    /// Nothing is lost, but a person may want to know.
    Noted,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportLine {
    pub(super) split: String,
    pub(super) path: String,
    pub(super) action: Action,
    pub(super) reason: String,
}

impl ReportLine {
    pub(super) fn new(split: &str, path: &str, action: Action, reason: &str) -> Self {
        Self { split: split.into(), path: path.into(), action, reason: reason.into() }
    }

    /// The line as it is written, with its line break.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain text is always JSON") + "\n"
    }
}

/// How many images were skipped and damaged, and the first few of them.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) skipped: u64,
    pub(super) damaged: u64,
    first: Vec<String>,
}

impl Faults {
    pub(super) fn add(&mut self, line: &ReportLine) {
        match line.action {
            Action::Skipped => self.skipped += 1,
            Action::Damaged => self.damaged += 1,
            Action::Noted => return,
        }
        if self.first.len() < NAMED {
            self.first.push(format!("{}: {}", line.path, line.reason));
        }
    }

    /// Under `strict`, the error for the faults among `readable` images and those skipped.
    pub(super) fn check(&self, strict: bool, readable: u64) -> Result<()> {
        let count = self.skipped + self.damaged;
        if !strict || count == 0 {
            return Ok(());
        }
        let first = self.first.join("; ");
        Err(Error::Strict { count, images: readable + self.skipped, first })
    }
}

/// An unfinished report, which is written line by line, as it may have a line for every image.
pub(super) struct Report {
    file: AtomicFile,
    pub(super) faults: Faults,
}

impl Report {
    pub(super) fn create(dir: &Path) -> Result<Self> {
        Ok(Self { file: AtomicFile::create(&dir.join(REPORT))?, faults: Faults::default() })
    }

    pub(super) fn add(&mut self, line: &ReportLine) -> Result<()> {
        self.faults.add(line);
        self.file.write(line.to_json().as_bytes())
    }

    /// Puts the report into its folder `dir`.
    pub(super) fn finish(self, dir: &Path) -> Result<FileInfo> {
        self.file.commit()?;
        FileInfo::of(dir, REPORT)
    }
}

/// The faults in a finished report.
pub(super) fn read_faults(dir: &Path) -> Result<Faults> {
    let path = dir.join(REPORT);
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let mut faults = Faults::default();
    let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    lines.for_each(|line: ReportLine| faults.add(&line));
    Ok(faults)
}
