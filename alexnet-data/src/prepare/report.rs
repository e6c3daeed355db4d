//! `report.jsonl`: every file of the input that was skipped, is damaged, is not used or deserves a
//! note.

use crate::atomic_file::AtomicFile;
use crate::error::{Error, Result, few, one_line};
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
    /// A folder or archive of the input of which nothing is in the dataset.
    Unused,
    /// A folder or archive of images without labels, which can be no split: no fault of the input.
    Unlabelled,
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

/// How many images were skipped and damaged, the first few of them, and what else is not used.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) skipped: u64,
    pub(super) damaged: u64,
    first: Vec<String>,
    /// Folders and archives of which nothing is used, each with the reason.
    unused: Vec<String>,
    /// The same of those that have no labels.
    unlabelled: Vec<String>,
}

impl<'a> FromIterator<&'a ReportLine> for Faults {
    fn from_iter<I: IntoIterator<Item = &'a ReportLine>>(lines: I) -> Self {
        let mut faults = Self::default();
        lines.into_iter().for_each(|line| faults.add(line));
        faults
    }
}

impl Faults {
    pub(super) fn add(&mut self, line: &ReportLine) {
        match line.action {
            Action::Skipped => self.skipped += 1,
            Action::Damaged => self.damaged += 1,
            Action::Unused => return self.unused.push(not_used(line)),
            Action::Unlabelled => return self.unlabelled.push(not_used(line)),
            Action::Noted => return,
        }
        if self.first.len() < NAMED {
            self.first.push(one_line(&format!("{}: {}", line.path, line.reason)));
        }
    }

    /// Everything of which nothing is used, each with the reason.
    pub(super) fn into_unused(self) -> Vec<String> {
        [self.unused, self.unlabelled].concat()
    }

    /// Under `strict`, the error for the faults among `readable` images and those skipped.
    pub(super) fn check(&self, strict: bool, readable: u64) -> Result<()> {
        let count = self.skipped + self.damaged;
        if !strict {
            return Ok(());
        }
        if count > 0 {
            let first = self.first.join("; ");
            return Err(Error::Strict { count, images: readable + self.skipped, first });
        }
        let what = || format!("not used: {}", few(&self.unused));
        if self.unused.is_empty() { Ok(()) } else { Err(Error::Incomplete { what: what() }) }
    }

    /// The error for an input of which no image is left, with the first reason; `what` it lacks.
    pub(super) fn no_images(&self, path: &Path, what: &str) -> Error {
        let Some(first) = self.first.iter().chain(&self.unused).next() else {
            return Error::source(path, what);
        };
        let (path, what, first) = (path.into(), what.into(), first.clone());
        Error::NoImages { path, what, first, report: REPORT }
    }
}

/// A folder or archive of which nothing is used, with the reason.
fn not_used(line: &ReportLine) -> String {
    one_line(&format!("{} ({})", line.path, line.reason))
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

    /// Writes the lines of an input of which there is no dataset.
    pub(super) fn of(dir: &Path, lines: &[ReportLine]) -> Result<()> {
        let mut report = Self::create(dir)?;
        lines.iter().try_for_each(|line| report.add(line))?;
        report.file.commit()
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
    let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    Ok(lines.collect::<Vec<ReportLine>>().iter().collect())
}
