//! The plan of a preparation: which images of the input become which shard.
//!
//! A shard holds a fixed range of the stored order, less the images that cannot be read. So each
//! shard is a function of this plan and of the input alone, and can be made first, last, again, or
//! on another machine. An unfinished output holds the plan in its file `.prepare.json`.

use super::options::PrepareOptions;
use super::report::ReportLine;
use super::source::listing::{ListedSplit, Scan};
use crate::atomic_file::AtomicFile;
use crate::checksum::Checksum;
use crate::decode::Decoder;
use crate::decode::exif::Exif;
use crate::decode::resample::Resample;
use crate::decode::square::Crop;
use crate::draws::{Purpose, draws, shuffle};
use crate::encoding::Mixture;
use crate::error::Result;
use crate::manifest::{Class, StoredOrder};
use crate::progress::Stage;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::Path;

/// The name of the plan's file.
pub(super) const PLAN: &str = ".prepare.json";
/// By default, a shard is made of as many images as have this many bytes of raw pixels.
const SHARD_BYTES: usize = 1 << 30;
/// The seed of the stored order of train. It must not change.
const ORDER_SEED: u64 = 2012;

/// Everything that decides the bytes of the output, except the bytes of the images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardPlan {
    pub(super) source: String,
    pub(super) size: usize,
    pub(super) order_seed: u64,
    /// Images of the input for each shard.
    pub(super) shard_records: usize,
    pub(super) resample: Resample,
    pub(super) crop: Crop,
    pub(super) exif: Exif,
    /// The most pixels of an image file.
    pub(super) max_pixels: usize,
    pub(super) encoding: Mixture,
    pub(super) ignored: u64,
    pub(super) classes: Vec<Class>,
    pub(super) splits: Vec<SplitPlan>,
    /// The lines of the report that come from listing the input.
    pub(super) report: Vec<ReportLine>,
}

/// The plan of one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitPlan {
    pub(super) name: String,
    pub(super) order: StoredOrder,
    /// The number of listed images.
    pub(super) images: usize,
    /// The checksum of their labels and names.
    pub(super) checksum: Checksum,
}

impl ShardPlan {
    /// The plan for a listed input; with a budget, the share of raw records is yet to be chosen.
    pub(super) fn new(options: &PrepareOptions, classes: Vec<Class>, scan: &Scan<'_>) -> Self {
        let raw_record = options.size * options.size * 3;
        let split = |ListedSplit { stage, images }: &ListedSplit| {
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
            shard_records: options.shard_records.unwrap_or(SHARD_BYTES / raw_record).max(1),
            resample: options.resample,
            crop: options.crop,
            exif: options.exif,
            max_pixels: options.max_pixels,
            encoding: Mixture::requested(options.encoding),
            ignored: scan.ignored,
            classes,
            splits: scan.splits.iter().map(split).collect(),
            report: scan.report.clone(),
        }
    }

    /// The plan in the folder `dir`; `None` where there is none that can be read.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(dir.join(PLAN)).ok()?).ok()
    }

    /// Writes the plan unless the folder has one, which another process may be writing now.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let mut file = AtomicFile::create(&dir.join(PLAN))?;
        file.write(&serde_json::to_vec(self).expect("plain data is always JSON"))?;
        file.commit_new()
    }

    /// The first difference from an earlier plan, in words.
    pub(super) fn difference(&self, earlier: &Self) -> Option<String> {
        let facts = |plan: &Self| {
            let number = |n: Option<u64>| n.map_or("none".into(), |n| n.to_string());
            let images: Vec<_> = plan.splits.iter().map(|split| split.images).collect();
            [
                ("the source", plan.source.clone()),
                ("the size", plan.size.to_string()),
                ("the shard length", plan.shard_records.to_string()),
                ("the number of images", format!("{images:?}")),
                ("the way to resize", plan.resample.name().into()),
                ("the crop", format!("{:?}", plan.crop).to_lowercase()),
                ("EXIF orientation", format!("{:?}", plan.exif)),
                ("the most pixels of an image", plan.max_pixels.to_string()),
                ("the JPEG quality", number(plan.encoding.quality.map(u64::from))),
                ("the budget", number(plan.encoding.budget)),
            ]
        };
        let mut pairs = facts(earlier).into_iter().zip(facts(self));
        match pairs.find(|(was, is)| was != is) {
            Some(((what, was), (_, is))) => Some(format!("{what} was {was} and now is {is}")),
            None => (self != earlier).then(|| "the list of images is another".into()),
        }
    }

    /// A decoder of its images.
    pub(super) fn decoder(&self) -> Decoder {
        Decoder::new(self.size, self.exif)
            .with_resize(self.resample, self.crop)
            .with_max_pixels(self.max_pixels)
    }

    /// The number of records of all splits, if every image can be read.
    pub(super) fn images(&self) -> usize {
        self.splits.iter().map(|split| split.images).sum()
    }

    /// The number of shards of a split.
    pub(super) fn shards(&self, split: &SplitPlan) -> usize {
        split.images.div_ceil(self.shard_records)
    }

    /// The file names of all shards, in the order of the splits.
    pub(super) fn shard_names(&self) -> impl Iterator<Item = String> {
        self.splits.iter().flat_map(|split| (0..self.shards(split)).map(|shard| split.shard(shard)))
    }

    /// The range of the stored order that shard number `shard` of a split is made of.
    pub(super) fn positions(&self, split: &SplitPlan, shard: usize) -> Range<usize> {
        let start = shard * self.shard_records;
        start..(start + self.shard_records).min(split.images)
    }

    /// The stored order of a split's images.
    pub(super) fn order(&self, split: &SplitPlan) -> Vec<usize> {
        let mut order: Vec<usize> = (0..split.images).collect();
        if split.order == StoredOrder::Shuffled {
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
