//! The sources: what images come as, how each is told from the others, and how it is listed.

mod archive;
mod cifar;
mod detect;
mod devkit;
mod folder;
pub(crate) mod fuzz;
mod ilsvrc;
mod kaggle;
mod kaggle_zip;
mod mat;
mod packed;
mod web;
mod zipped;

use super::report::Odd;
use super::{PrepareOptions, Progress, Stage};
use crate::{Class, Decoder, Error, Pixels};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A tree with one folder a class, JPEG and PNG files at any depth below it.
    Folder,
    /// ILSVRC 2012 as it is delivered: the train and val archives and the development kit.
    Ilsvrc2012,
    /// ILSVRC 2010 as it is delivered: train, val, and the test images with their labels.
    Ilsvrc2010,
    /// ILSVRC 2012 as Kaggle delivers it: the zip itself, the folder it lies in, or unpacked.
    Kaggle,
    /// One tar for each WordNet id, as the Fall 2011 release of ImageNet; or a tar of them.
    Fall2011,
    /// Tars of samples: files of one name, an image and its label in `.cls`.
    #[serde(rename = "webdataset")]
    WebDataset,
    /// The official CIFAR-10 binary files.
    Cifar10,
    /// The official CIFAR-100 binary files, with their 100 fine labels.
    Cifar100,
    /// As `Folder`; where the input folder is empty or missing, the demo images
    /// ([`DemoOptions::STANDARD`](crate::DemoOptions::STANDARD)) are drawn into it first.
    Demo,
}

/// A split's images before they are read: what every source offers.
pub(super) trait Images: Sync {
    /// The number of images.
    fn len(&self) -> usize;
    /// The label of image `i`, where the list of images has it.
    fn label(&self, i: usize) -> u32;
    /// What the report calls image `i`.
    fn name(&self, i: usize) -> String;
    /// Reads image `i` in the decoder's size, or says on one line why not.
    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, String>;
}

/// An input, listed.
pub(super) struct Listing {
    pub(super) classes: Vec<Class>,
    /// Train first.
    pub(super) splits: Vec<(Stage, Box<dyn Images>)>,
    pub(super) ignored: u64,
    pub(super) odd: Vec<Odd>,
}

impl Source {
    /// Every source, the demo last.
    pub const ALL: [Self; 9] = [
        Self::Folder,
        Self::Ilsvrc2012,
        Self::Ilsvrc2010,
        Self::Kaggle,
        Self::Fall2011,
        Self::WebDataset,
        Self::Cifar10,
        Self::Cifar100,
        Self::Demo,
    ];

    /// The name in the manifest and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Ilsvrc2012 => "ilsvrc2012",
            Self::Ilsvrc2010 => "ilsvrc2010",
            Self::Kaggle => "kaggle",
            Self::Fall2011 => "fall2011",
            Self::WebDataset => "webdataset",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Demo => "demo",
        }
    }

    /// The usual side of its stored images: 256 for photographs, as in 2012.
    pub fn default_size(self) -> usize {
        match self {
            Self::Cifar10 | Self::Cifar100 => cifar::SIDE,
            Self::Demo => 72,
            _ => 256,
        }
    }

    /// The source that `input` looks like, by the names of its files.
    ///
    /// # Errors
    /// [`Error::Source`] for an input that looks like none, [`Error::Io`] for one that cannot be read.
    pub fn detect(input: &Path) -> Result<Self, Error> {
        detect::detect(input)
    }
}

/// Lists an input.
pub(super) fn list(
    options: &PrepareOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Listing, Error> {
    let input = &options.input;
    match options.source {
        Source::Folder | Source::Demo => folder::list(options, progress),
        Source::Ilsvrc2012 => ilsvrc::list(input, &ilsvrc::Y2012, progress),
        Source::Ilsvrc2010 => ilsvrc::list(input, &ilsvrc::Y2010, progress),
        Source::Kaggle => kaggle::list(input, progress),
        Source::Fall2011 => ilsvrc::list_synsets(input, progress),
        Source::WebDataset => web::list(input, progress),
        Source::Cifar10 => cifar::list(input, &cifar::TEN),
        Source::Cifar100 => cifar::list(input, &cifar::HUNDRED),
    }
}

/// Says how many images have been found.
fn found(progress: &(dyn Fn(Progress) + Sync), done: usize) {
    let (stage, done) = (Stage::Scanning, done as u64);
    progress(Progress { stage, done, total: 0, skipped: 0, bytes: 0 });
}

/// An input that is not laid out as it should be.
fn wrong(path: &Path, problem: impl Into<String>) -> Error {
    Error::Source { path: path.into(), problem: problem.into() }
}
