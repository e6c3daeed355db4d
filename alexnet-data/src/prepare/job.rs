//! What a preparation is to make: the file `.prepare.json` in an output that is not finished.
//!
//! A shard holds a fixed range of the order, less the images that cannot be read. So each shard is
//! a function of this file and of the input alone: it can be made first, last, again, or elsewhere.

use super::report::Odd;
use super::{Listing, ORDER_SEED, PrepareOptions, Stage};
use crate::draws::{Purpose, draws, shuffle};
use crate::manifest::Checksum;
use crate::whole::WholeFile;
use crate::{Class, Error, Exif, Mixture, StoredOrder, write_whole};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::ops::Range;
use std::path::Path;

/// The file's name.
pub(super) const JOB: &str = ".prepare.json";
/// Shards are made of as many images as have this many bytes of raw pixels, and of at least one.
pub(super) const SHARD_BYTES: usize = 1 << 30;
/// The most records a shard may have: the sums over it then fit into 32 bits.
pub(super) const MAX_SHARD_RECORDS: usize = 1 << 24;

/// All that decides the bytes of the output, but the images' own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobFile {
    pub(super) source: String,
    pub(super) size: usize,
    pub(super) order_seed: u64,
    pub(super) shard_records: usize,
    pub(super) exif: Exif,
    pub(super) encoding: Mixture,
    pub(super) ignored: u64,
    pub(super) classes: Vec<Class>,
    pub(super) splits: Vec<SplitPlan>,
    /// What was odd in the listing.
    pub(super) odd: Vec<Odd>,
}

/// One split to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitPlan {
    pub(super) name: String,
    pub(super) order: StoredOrder,
    /// Images listed.
    pub(super) images: usize,
    /// Of their labels and names.
    pub(super) checksum: Checksum,
}

impl JobFile {
    pub(super) fn new(options: &PrepareOptions, shard_records: usize, listing: &Listing) -> Self {
        let plan = |(stage, images): &(Stage, Box<dyn super::Images>)| {
            let mut hasher = crc32fast::Hasher::new();
            for i in 0..images.len() {
                hasher.update(&images.label(i).to_le_bytes());
                hasher.update(images.name(i).as_bytes());
                hasher.update(b"\n");
            }
            let train = *stage == Stage::Train;
            SplitPlan {
                name: stage.split().into(),
                order: if train { StoredOrder::Shuffled } else { StoredOrder::Sorted },
                images: images.len(),
                checksum: Checksum(hasher.finalize()),
            }
        };
        Self {
            source: options.source.name().into(),
            size: options.size,
            order_seed: ORDER_SEED,
            shard_records,
            exif: options.exif,
            encoding: Mixture::asked(options.encoding),
            ignored: listing.ignored,
            classes: listing.classes.clone(),
            splits: listing.splits.iter().map(plan).collect(),
            odd: listing.odd.clone(),
        }
    }

    /// This job with the share of raw records that `begun` has settled on, where that was for the
    /// same: the measuring need not be done again.
    pub(super) fn settled_as(&self, begun: &Self) -> Option<Self> {
        let mut job = self.clone();
        job.encoding.raw_per_million = begun.encoding.raw_per_million;
        (job == *begun).then_some(job)
    }

    /// The job in the folder `dir`; `None` where there is none, or none that can be read.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(dir.join(JOB)).ok()?).ok()
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec(self).expect("plain data is always JSON");
        write_whole(&dir.join(JOB), |file| file.write_all(&text))
    }

    /// Writes it where there is none yet; what another process has written first stays.
    pub(super) fn write_new(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(JOB);
        let text = serde_json::to_vec(self).expect("plain data is always JSON");
        let mut file = WholeFile::create(&path)?;
        file.file().write_all(&text).map_err(Error::io("write", path))?;
        file.commit_new()
    }

    /// The first thing in which another job differs, as words.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let differ = |what: &str, a: &dyn ToString, b: &dyn ToString| {
            let (a, b) = (a.to_string(), b.to_string());
            (a != b).then(|| format!("{what} was {a} and now is {b}"))
        };
        let images = |job: &Self| -> Vec<usize> { job.splits.iter().map(|s| s.images).collect() };
        differ("the source", &other.source, &self.source)
            .or_else(|| differ("the size", &other.size, &self.size))
            .or_else(|| differ("the shard length", &other.shard_records, &self.shard_records))
            .or_else(|| {
                let (then, now) = (format!("{:?}", images(other)), format!("{:?}", images(self)));
                differ("the number of images", &then, &now)
            })
            .or_else(|| {
                let (then, now) = (format!("{:?}", other.exif), format!("{:?}", self.exif));
                differ("EXIF orientation", &then, &now)
            })
            .or_else(|| {
                let quality =
                    |job: &Self| job.encoding.quality.map_or("none".into(), |q| q.to_string());
                differ("the JPEG quality", &quality(other), &quality(self))
            })
            .or_else(|| {
                let budget =
                    |job: &Self| job.encoding.budget.map_or("none".into(), |b| b.to_string());
                differ("the budget", &budget(other), &budget(self))
            })
            .or_else(|| (self != other).then(|| "the list of images is another".into()))
    }

    /// The number of shards of a split.
    pub(super) fn shards(&self, plan: &SplitPlan) -> usize {
        plan.images.div_ceil(self.shard_records)
    }

    /// The file names of all shards, in the order of the splits.
    pub(super) fn shard_names(&self) -> impl Iterator<Item = String> {
        self.splits.iter().flat_map(|plan| (0..self.shards(plan)).map(|shard| plan.shard(shard)))
    }

    /// The part of the order that shard number `shard` holds.
    pub(super) fn positions(&self, plan: &SplitPlan, shard: usize) -> Range<usize> {
        let start = shard * self.shard_records;
        start..(start + self.shard_records).min(plan.images)
    }

    /// The order in which a split's images are stored.
    pub(super) fn order(&self, plan: &SplitPlan) -> Vec<usize> {
        let mut order: Vec<usize> = (0..plan.images).collect();
        if plan.order == StoredOrder::Shuffled {
            shuffle(&mut draws(self.order_seed, 0, Purpose::Storage, 0), &mut order);
        }
        order
    }
}

impl SplitPlan {
    /// The file name of shard number `shard`.
    pub(super) fn shard(&self, shard: usize) -> String {
        format!("{}-{shard:05}.shard", self.name)
    }
}
