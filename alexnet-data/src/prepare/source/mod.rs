//! The sources: the kinds of input, how each is recognised, and how it is listed.
//!
//! To add one, write a file with a [`Format`], and name it here in the list of modules, in
//! [`Source`], in [`Source::ALL`] and in `Source::format`.

pub(crate) mod archive;
mod cifar;
mod cifar_files;
mod class_files;
mod demo;
mod devkit;
pub(crate) mod entries;
pub(crate) mod files;
mod folder;
mod folder_layout;
mod gzip;
mod ilsvrc;
mod kaggle;
mod kaggle_tables;
mod links;
pub(crate) mod listing;
pub(crate) mod mat;
pub(crate) mod names;
mod packed;
mod packed_folder;
mod packing;
pub(crate) mod pickle;
mod root;
mod split_folders;
mod split_names;
mod table_val;
pub(crate) mod tar;
mod tiny_imagenet;
mod webdataset;
mod webdataset_labels;
mod webdataset_samples;
mod webdataset_shards;
pub(crate) mod zip;

use crate::error::{Error, Result, few};
use listing::{Candidate, Format};
use std::path::Path;

/// A kind of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A tree with one folder for each class, and image files at any depth below it; also inside a
    /// zip, a tar or a tar.gz.
    Folder,
    /// ILSVRC 2012 as downloaded: the train and val archives and the development kit.
    Ilsvrc2012,
    /// ILSVRC 2010 as downloaded: train, val, and the test images with their labels.
    Ilsvrc2010,
    /// ILSVRC 2012 from Kaggle: the zip, the folder that holds it, or the unpacked files.
    Kaggle,
    /// Tiny ImageNet as downloaded: the zip, the folder that holds it, or the unpacked files.
    TinyImagenet,
    /// One tar for each WordNet id, like the Fall 2011 release of ImageNet, or a tar of them.
    Fall2011,
    /// Tars of samples: files of the same name, an image and its label in `.cls`, which is a number
    /// or the name of the class.
    WebDataset,
    /// CIFAR-10: the official binary or Python version, unpacked or as its tar.gz.
    Cifar10,
    /// CIFAR-100 in the same versions, with its 100 fine labels.
    Cifar100,
    /// The demo images ([`DemoOptions::STANDARD`](crate::DemoOptions::STANDARD)), which are drawn
    /// into the input folder unless they are there, and then listed like [`Folder`](Self::Folder).
    Demo,
}

impl Source {
    /// Every source, in the order in which an input is compared with them.
    pub const ALL: [Self; 10] = [
        Self::Ilsvrc2012,
        Self::Ilsvrc2010,
        Self::Cifar10,
        Self::Cifar100,
        Self::Kaggle,
        Self::TinyImagenet,
        Self::Fall2011,
        Self::WebDataset,
        Self::Folder,
        Self::Demo,
    ];

    pub(super) fn format(self) -> Format {
        match self {
            Self::Folder => folder::FORMAT,
            Self::Ilsvrc2012 => ilsvrc::FORMAT_2012,
            Self::Ilsvrc2010 => ilsvrc::FORMAT_2010,
            Self::Kaggle => kaggle::FORMAT,
            Self::TinyImagenet => tiny_imagenet::FORMAT,
            Self::Fall2011 => ilsvrc::FORMAT_FALL_2011,
            Self::WebDataset => webdataset::FORMAT,
            Self::Cifar10 => cifar::FORMAT_10,
            Self::Cifar100 => cifar::FORMAT_100,
            Self::Demo => demo::FORMAT,
        }
    }

    /// The name in the manifest and on command lines.
    pub fn name(self) -> &'static str {
        self.format().name
    }

    /// The usual side of the stored images in pixels: 256 for photographs, as in 2012.
    pub fn default_size(self) -> usize {
        self.format().default_size
    }

    /// The source that `input` looks like, by the names of its files.
    ///
    /// # Errors
    /// [`Error::Source`] for an input that looks like none, [`Error::Io`] for one that cannot be
    /// read.
    pub fn detect(input: &Path) -> Result<Self> {
        let packed = if input.is_file() { packing::sample(input)? } else { Vec::new() };
        let candidate = Candidate::read(input, packed)?;
        let source = Self::ALL.into_iter().find(|source| (source.format().recognise)(&candidate));
        source.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            let packed = &candidate.packed;
            let held = if packed.is_empty() { String::new() } else { few(packed) + " in it; " };
            let problem = format!(
                "looks like no source known ({held}the sources are {names}): give the folder with \
                 the archives or the class folders, or name the source"
            );
            Error::source(input, problem)
        })
    }
}
