//! What every source provides: the classes, splits and images of an input.

use super::entries::{Entry, EntryKind, entries};
use crate::decode::Decoder;
use crate::decode::pixels::Pixels;
use crate::error::{Error, Result};
use crate::manifest::Class;
use crate::prepare::report::{Action, ReportLine};
use crate::progress::{OnProgress, Progress, Stage};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A kind of input: its name, the usual side of its images, and how it is recognised and listed.
pub(in crate::prepare) struct Format {
    /// The name in the manifest and on command lines.
    pub(super) name: &'static str,
    pub(super) default_size: usize,
    /// Whether an input looks like this source, by the names of its files.
    pub(super) recognise: fn(&Candidate) -> bool,
    /// Lists an input and, where it is elsewhere, its val tree; returns the classes.
    pub(in crate::prepare) list: fn(&Path, Option<&Path>, &mut Scan<'_>) -> Result<Vec<Class>>,
}

/// The images of one split, numbered from 0, before they are read.
pub(in crate::prepare) trait Images: Sync {
    /// The number of images.
    fn len(&self) -> usize;
    /// The label of image `i`, an index into the classes.
    fn label(&self, i: usize) -> u32;
    /// The name of image `i` in the report.
    fn name(&self, i: usize) -> String;
    /// Reads and decodes image `i`.
    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, LoadError>;
}

/// Why an image could not be loaded.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// Its bytes are no image that can be used, for this reason in one line: it is skipped.
    Image(String),
    /// The input cannot be read, which says nothing of the image: the preparation ends, and goes
    /// on from there when it is called again.
    Input(Error),
}

impl LoadError {
    /// The input `path` cannot be read.
    pub(super) fn input(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let error = Error::io("read", path);
        |e| Self::Input(error(e))
    }
}

impl From<String> for LoadError {
    fn from(reason: String) -> Self {
        Self::Image(reason)
    }
}

/// The images of one split.
pub(in crate::prepare) struct ListedSplit {
    /// The stage that will write the split.
    pub(in crate::prepare) stage: Stage,
    pub(in crate::prepare) images: Box<dyn Images>,
}

/// What has been listed of an input.
pub(in crate::prepare) struct Scan<'a> {
    /// The splits, beginning with train.
    pub(in crate::prepare) splits: Vec<ListedSplit>,
    /// How many files were not images, by their names.
    pub(in crate::prepare) ignored: u64,
    pub(in crate::prepare) report: Vec<ReportLine>,
    /// The class folders of all splits, without links in their paths.
    pub(super) class_folders: Vec<PathBuf>,
    found: u64,
    pub(super) progress: OnProgress<'a>,
    /// The folder in which the preparation works, which has room for files without a name.
    pub(super) folder: &'a Path,
    stop: &'a AtomicBool,
}

impl<'a> Scan<'a> {
    pub(in crate::prepare) fn new(
        progress: OnProgress<'a>,
        folder: &'a Path,
        stop: &'a AtomicBool,
    ) -> Self {
        let (splits, report, class_folders) = (Vec::new(), Vec::new(), Vec::new());
        Self { splits, ignored: 0, report, class_folders, found: 0, progress, folder, stop }
    }

    /// An error if the preparation should stop.
    pub(super) fn check_stop(&self) -> Result<()> {
        let stop = self.stop.load(Ordering::Relaxed);
        if stop { Err(Error::Interrupted(self.folder.into())) } else { Ok(()) }
    }

    pub(in crate::prepare) fn add(&mut self, stage: Stage, images: impl Images + 'static) {
        self.splits.push(ListedSplit { stage, images: Box::new(images) });
    }

    pub(super) fn note(&mut self, split: &str, path: &str, action: Action, reason: &str) {
        self.report.push(ReportLine::new(split, path, action, reason));
    }

    /// Counts `images` more images, and reports progress.
    pub(super) fn found(&mut self, images: usize) {
        self.found += images as u64;
        (self.progress)(Progress::of(Stage::Scanning, self.found, 0));
    }
}

/// An input whose source is not known yet: a single file, or a folder with these files and folders.
pub(super) struct Candidate<'a> {
    pub(super) path: &'a Path,
    /// The name of the input where it is a single file.
    pub(super) single: Option<String>,
    pub(super) files: Vec<String>,
    pub(super) folders: Vec<String>,
    /// Where the input is an archive, the paths of some files in it: of each folder one with each
    /// extension.
    pub(super) packed: Vec<String>,
}

impl<'a> Candidate<'a> {
    /// Looks at an input, which as an archive holds the files `packed`.
    pub(super) fn read(path: &'a Path, packed: Vec<String>) -> Result<Self> {
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        if fs::metadata(path).map_err(Error::io("read", path))?.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Self { path, single: Some(name), files, folders, packed });
        }
        for Entry { name, kind } in entries(path)?.0 {
            let names = if kind == EntryKind::Folder { &mut folders } else { &mut files };
            names.push(name.to_string_lossy().into_owned());
        }
        Ok(Self { path, single: None, files, folders, packed })
    }

    /// Whether the input is a folder that holds a file of this name.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.files.iter().any(|file| file == name)
    }

    /// Whether the input is a folder that holds a folder of this name.
    pub(super) fn has_folder(&self, name: &str) -> bool {
        self.folders.iter().any(|folder| folder == name)
    }
}
