//! What a finished preparation wrote.

use super::finish::classes_without_images;
use super::report::{REPORT, read_faults};
use crate::error::Result;
use crate::manifest::Manifest;
use std::path::{Path, PathBuf};

/// What a preparation wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Images in all splits.
    pub images: u64,
    /// Classes.
    pub classes: usize,
    /// Images that were not taken: they are in the report with the reason, not in the dataset.
    pub skipped: u64,
    /// Images that were decoded in spite of a fault: they are in the report and in the dataset.
    pub damaged: u64,
    /// Files that were not images, by their names, and were not read.
    pub ignored: u64,
    /// Folders and archives of the input of which nothing is in the dataset, each with the reason.
    pub unused: Vec<String>,
    /// For each split that has images, the classes of which it has none, if there are any.
    pub empty_classes: Vec<(String, Vec<String>)>,
    /// The path of the report.
    pub report: PathBuf,
    /// The name and the number of images of each split.
    pub splits: Vec<(String, u64)>,
}

impl Summary {
    /// The summary of the finished dataset in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let (manifest, faults) = (Manifest::read(dir)?, read_faults(dir)?);
        let with_images = manifest.splits.iter().filter(|split| split.records > 0);
        let empty_classes = with_images
            .map(|split| (split.name.clone(), classes_without_images(&manifest.classes, split)))
            .filter(|(_, classes)| !classes.is_empty());
        Ok(Self {
            empty_classes: empty_classes.collect(),
            images: manifest.splits.iter().map(|split| split.records).sum(),
            classes: manifest.classes.len(),
            skipped: faults.skipped,
            damaged: faults.damaged,
            unused: faults.into_unused(),
            ignored: manifest.ignored,
            report: dir.join(REPORT),
            splits: manifest.splits.into_iter().map(|split| (split.name, split.records)).collect(),
        })
    }
}
