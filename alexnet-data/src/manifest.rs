//! `manifest.json`: what a dataset holds, its statistics, and the checksums of its files.

use crate::header::VERSION;
use crate::{Error, Exif, Mixture, Statistics, write_whole};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::path::Path;

/// The manifest's file name.
pub(crate) const FILE: &str = "manifest.json";
/// The largest side of a stored image: a record's length is then far below 2³².
pub(crate) const MAX_SIDE: usize = 4096;

/// Everything about a dataset but its pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format's version: 1.
    pub version: u32,
    /// Where the images came from: a name of [`Source`](crate::Source).
    pub source: String,
    /// Rows of every stored image.
    pub height: usize,
    /// Columns of every stored image.
    pub width: usize,
    /// The seed of the order in which the records of `train` are stored.
    pub order_seed: u64,
    /// Images of the input that a shard was made of; each shard lacks those that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_images: Option<usize>,
    /// Whether pictures were turned as their EXIF data say.
    #[serde(default)]
    pub exif: Exif,
    /// How the records are stored.
    #[serde(default)]
    pub encoding: Mixture,
    /// Files of the input that were no images, and were not read.
    pub ignored: u64,
    /// The classes; a label is a place in this list.
    pub classes: Vec<Class>,
    /// The splits, `train` first.
    pub splits: Vec<SplitInfo>,
    /// The file that lists odd images: its name, length and checksum.
    pub report: FileInfo,
    /// Mean, covariance and eigenvectors of the train split.
    pub statistics: Statistics,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name: that of its folder; of ImageNet's classes, the WordNet id.
    pub name: String,
    /// What it means in words, where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Its number in ILSVRC's development kit, from 1: another order than that of the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devkit_id: Option<u32>,
}

impl Class {
    /// A class of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), words: None, devkit_id: None }
    }
}

/// One split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitInfo {
    /// Its name: `train`, `val` or `test`.
    pub name: String,
    /// How its records are ordered.
    pub order: StoredOrder,
    /// Images in it.
    pub records: u64,
    /// Images of the input that could not be read and are not in it.
    pub skipped: u64,
    /// Images of each class, in the order of [`Manifest::classes`].
    pub images_per_class: Vec<u64>,
    /// Its files, in the order of their records.
    pub shards: Vec<ShardInfo>,
}

/// How the records of a split are ordered on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredOrder {
    /// Shuffled once, with [`Manifest::order_seed`], when they were written.
    Shuffled,
    /// By class, then by path.
    Sorted,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardInfo {
    /// Its file name, in the dataset's folder.
    pub file: String,
    /// Records in it.
    pub records: u64,
    /// Its length.
    pub bytes: u64,
    /// The checksum of its header, which holds that of its index, which holds those of its records.
    pub checksum: Checksum,
}

/// A small file beside the shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInfo {
    /// Its file name, in the dataset's folder.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// The checksum of its content.
    pub checksum: Checksum,
}

/// A CRC-32 (IEEE, as zlib's), written `crc32:` and eight hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(pub u32);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crc32:{:08x}", self.0)
    }
}

impl Serialize for Checksum {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let digits = text.strip_prefix("crc32:").filter(|h| h.len() == 8);
        let crc = digits.and_then(|h| u32::from_str_radix(h, 16).ok());
        crc.map(Self).ok_or_else(|| serde::de::Error::custom("expected crc32: and 8 digits"))
    }
}

/// The part of a manifest that any version has.
#[derive(Deserialize)]
struct AnyVersion {
    version: u64,
}

impl Manifest {
    /// The manifest's bytes: a first line with the checksum of all that follows it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let text = serde_json::to_string_pretty(self).expect("plain data is always JSON");
        let rest = text.strip_prefix("{\n").expect("a struct is an object").to_owned() + "\n";
        [first_line(rest.as_bytes()).as_bytes(), rest.as_bytes()].concat()
    }

    /// Writes the manifest into the folder `dir`.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Error> {
        write_whole(&dir.join(FILE), |file| file.write_all(&self.to_bytes()))
    }

    /// Reads and checks the manifest of the folder `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && dir.is_dir() => {
                return Err(Error::NotADataset { path: dir.into() });
            }
            Err(e) => return Err(Error::io("read", path)(e)),
        };
        Self::parse(&bytes, &path)
    }

    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        // The version comes first: another version may have its checksum elsewhere.
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
            // As debug text and cut short: a damaged line may hold anything.
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

    /// What the readers rely on; a manifest that breaks it was not written by this crate.
    fn check(&self, path: &Path) -> Result<(), Error> {
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
            // A bare name: a manifest must not reach outside its folder.
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

/// The one possible first line above `rest`, so that a flip in the line itself is seen too.
pub(crate) fn first_line(rest: &[u8]) -> String {
    format!("{{\"checksum\":\"{}\",\n", Checksum(crc32fast::hash(rest)))
}
