//! `manifest.json`: the contents of a dataset, its statistics, and the checksums of its files.

use crate::atomic_file::write_atomic;
use crate::checksum::Checksum;
use crate::decode::exif::Exif;
use crate::decode::limits::MAX_PIXELS;
use crate::decode::resample::Resample;
use crate::decode::square::Crop;
use crate::encoding::Mixture;
use crate::error::{Error, Result};
use crate::header::{MAX_SIDE, VERSION};
use crate::mmap::open_regular;
use crate::preprocessing::Preprocessing;
use crate::statistics::Statistics;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// The manifest's file name.
pub(crate) const FILE: &str = "manifest.json";

/// Everything about a dataset except its pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format, which is 1.
    pub version: u32,
    /// The kind of input that the images came from: a name of [`Source`](crate::Source).
    pub source: String,
    /// Rows of every stored image.
    pub height: usize,
    /// Columns of every stored image.
    pub width: usize,
    /// The seed of the order in which the records of `train` are stored.
    pub order_seed: u64,
    /// Images of the input for each shard, including those that could not be read and are not in
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_images: Option<usize>,
    /// How images were resized.
    #[serde(default = "first_resample")]
    pub resample: Resample,
    /// Which part of a resized image was kept.
    #[serde(default)]
    pub crop: Crop,
    /// Whether the EXIF orientation of images was applied.
    #[serde(default)]
    pub exif: Exif,
    /// The most pixels that an image file could have without being skipped; by default
    /// [`MAX_PIXELS`].
    #[serde(default = "max_pixels", skip_serializing_if = "is_default")]
    pub max_pixels: usize,
    /// How the records are encoded.
    #[serde(default)]
    pub encoding: Mixture,
    /// How many files of the input were not images, by their names, and were not read.
    pub ignored: u64,
    /// The classes; a label is an index into this list.
    pub classes: Vec<Class>,
    /// The splits, beginning with `train`.
    pub splits: Vec<SplitInfo>,
    /// The report of skipped and damaged images: its name, length and checksum.
    pub report: FileInfo,
    /// The statistics of the train split.
    pub statistics: Statistics,
}

/// What the first datasets were resized with, whose manifests do not say it.
fn first_resample() -> Resample {
    Resample::Box
}

fn max_pixels() -> usize {
    MAX_PIXELS
}

fn is_default(pixels: &usize) -> bool {
    *pixels == MAX_PIXELS
}

/// One class of images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The name of its folder; for classes of ImageNet, the WordNet id.
    pub name: String,
    /// A description in words, where the source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Its number in the development kit of ILSVRC, from 1, in another order than the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devkit_id: Option<u32>,
}

impl Class {
    /// A class with a name only.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), words: None, devkit_id: None }
    }
}

/// What the manifest says of one split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitInfo {
    /// The name: `train`, `val` or `test`.
    pub name: String,
    /// The order of its records.
    pub order: StoredOrder,
    /// The number of its records.
    pub records: u64,
    /// Images of the input that could not be read, and have no record.
    pub skipped: u64,
    /// Records of each class, in the order of [`Manifest::classes`].
    pub images_per_class: Vec<u64>,
    /// Its shards, in the order of their records.
    pub shards: Vec<ShardInfo>,
}

/// The order of a split's records on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredOrder {
    /// Shuffled once with [`Manifest::order_seed`], by the preparation.
    Shuffled,
    /// Sorted by class, then by path.
    Sorted,
}

/// What the manifest says of one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardInfo {
    /// The file's name in the dataset's folder.
    pub file: String,
    /// The number of its records.
    pub records: u64,
    /// The length of the file.
    pub bytes: u64,
    /// The checksum of the header, which holds that of the index, which holds those of the records.
    pub checksum: Checksum,
}

/// What the manifest says of a small file beside the shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInfo {
    /// The file's name in the dataset's folder.
    pub file: String,
    /// The length of the file.
    pub bytes: u64,
    /// The checksum of the file.
    pub checksum: Checksum,
}

impl FileInfo {
    /// What a manifest says of the file `name` as it now is in the folder `dir`.
    pub(crate) fn of(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(name);
        let mut file = open_regular(&path)?;
        let (bytes, checksum) = Checksum::of_all(&mut file).map_err(Error::io("read", path))?;
        Ok(Self { file: name.into(), bytes, checksum })
    }
}

/// The part of a manifest that every version has.
#[derive(Deserialize)]
struct AnyVersion {
    version: u64,
}

impl Manifest {
    /// How image files became the pixels of the records.
    pub fn preprocessing(&self) -> Preprocessing {
        let Self { height, width, resample, crop, exif, .. } = *self;
        Preprocessing { height, width, resample, crop, exif }
    }

    /// Writes the manifest into the folder `dir`, with the checksum of all other lines in the
    /// first.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("plain data is always JSON");
        let rest = text.strip_prefix("{\n").expect("a struct is an object").to_owned() + "\n";
        let text = first_line(rest.as_bytes()) + &rest;
        write_atomic(&dir.join(FILE), |file| file.write_all(text.as_bytes()))
    }

    /// Reads and checks the manifest of the folder `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound if dir.is_dir() => Error::NotADataset(dir.into()),
            _ => Error::io("read", &path)(e),
        })?;
        Self::parse(&bytes, &path)
    }

    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        // The version is compared before the checksum, which another version may have elsewhere.
        if let Ok(AnyVersion { version }) = serde_json::from_slice(bytes)
            && version != u64::from(VERSION)
        {
            let expected = VERSION.into();
            return Err(Error::Version { path: path.into(), expected, got: version });
        }
        let end = bytes.iter().position(|&b| b == b'\n').map_or(bytes.len(), |i| i + 1);
        let (first, rest) = bytes.split_at(end);
        let expected = first_line(rest);
        if first != expected.as_bytes() {
            // A damaged line may hold anything, so it is escaped and cut short.
            let got: String = String::from_utf8_lossy(first).chars().take(60).collect();
            let (expected, got) = (format!("{expected:?}"), format!("{got:?}"));
            return Err(Error::damaged(path, "the checksum of its first line", expected, got));
        }
        let text = [b"{", rest].concat();
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|e| Error::damaged(path, "its content", "a manifest of version 1", e))?;
        manifest.check(path)?;
        Ok(manifest)
    }

    /// Checks what readers rely on. This crate writes no manifest that fails here.
    fn check(&self, path: &Path) -> Result<()> {
        let bad =
            |what, expected: &str, got: String| Err(Error::damaged(path, what, expected, got));
        let (height, width) = (self.height, self.width);
        if ![height, width].iter().all(|side| (1..=MAX_SIDE).contains(side)) {
            return bad("the image size", "1 to 4096 a side", format!("{height}×{width}"));
        }
        if !self.encoding.is_valid() {
            let want = "raw records, or a quality of 1 to 100";
            return bad("the encoding", want, format!("{:?}", self.encoding));
        }
        if self.statistics.mean_image.len() != height * width * 3 {
            let got = self.statistics.mean_image.len().to_string();
            return bad("the mean image", "height × width × 3 numbers", got);
        }
        if !self.statistics.is_finite() {
            return bad("the statistics", "finite numbers", "others".into());
        }
        let classes: HashSet<_> = self.classes.iter().map(|c| &c.name).collect();
        if classes.is_empty() || classes.len() != self.classes.len() {
            return bad("the list of classes", "at least one, each once", "another".into());
        }
        let splits: HashSet<_> = self.splits.iter().map(|s| &s.name).collect();
        if splits.len() != self.splits.len() {
            return bad("the list of splits", "each name once", "a name twice".into());
        }
        let mut files = HashSet::from([FILE]);
        let shards = self.splits.iter().flat_map(|s| &s.shards).map(|s| &s.file);
        for file in shards.chain([&self.report.file]) {
            // A bare name, because a manifest must not reach outside its folder.
            let bare = Path::new(file).file_name().is_some_and(|name| name == file.as_str());
            if !bare || !files.insert(file) {
                return bad("a file name", "a bare name, used once", format!("{file:?}"));
            }
        }
        for split in &self.splits {
            let sum = |mut n: Box<dyn Iterator<Item = u64> + '_>| n.try_fold(0, u64::checked_add);
            let by_class = sum(Box::new(split.images_per_class.iter().copied()));
            let by_shard = sum(Box::new(split.shards.iter().map(|s| s.records)));
            let right = (Some(split.records), Some(split.records));
            if (by_class, by_shard) != right || split.images_per_class.len() != self.classes.len() {
                let got = format!("{by_class:?} by class, {by_shard:?} by shard");
                return bad("the counts of a split", &split.records.to_string(), got);
            }
        }
        Ok(())
    }
}

/// The only valid first line above `rest`, so that damage in the line itself is noticed too.
pub(crate) fn first_line(rest: &[u8]) -> String {
    format!("{{\"checksum\":\"{}\",\n", Checksum::of(rest))
}
