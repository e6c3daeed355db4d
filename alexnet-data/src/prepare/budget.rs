//! A budget of bytes: how many records may be raw, and what is done with a shard that is too large.
//!
//! Each shard has a share of the budget in proportion to its images. The share of raw records is
//! chosen once, before the first shard, from the JPEG sizes of the first images of train in the
//! stored order and a margin. A shard that exceeds its share all the same is made again before the
//! next one begins, with fewer raw records and, if that is not enough, with a lower JPEG quality.
//! So each shard is still a function of the plan and the input alone, the sum never exceeds the
//! budget, and a preparation that is interrupted again and again still makes progress.

use super::preparation::Preparation;
use super::report::ReportLine;
use super::shard_plan::{ShardPlan, SplitPlan};
use super::source::listing::LoadError;
use crate::encoding::{MILLION, Mixture};
use crate::error::{Error, Result};
use crate::header::{ENTRY, HEADER};
use crate::parallel::for_each;
use crate::phrases::byte_count;
use crate::record;
use std::sync::{Mutex, PoisonError};

/// The number of images on which the size of JPEG records is measured, to some 2 % in the mean.
const SAMPLE: usize = 1024;
/// The number of images on which lower qualities are tried for the advice in an error.
const ADVICE: usize = 32;

/// The size of a JPEG record in bytes, measured on a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
struct JpegSize {
    mean: f64,
    /// The mean and a margin: 3 %, or four standard errors where they are more.
    bound: f64,
}

impl JpegSize {
    fn of(sizes: &[u64]) -> Self {
        let count = sizes.len().max(1) as f64;
        let mean = sizes.iter().sum::<u64>() as f64 / count;
        let squares: u128 = sizes.iter().map(|&bytes| u128::from(bytes).pow(2)).sum();
        let variance = (squares as f64 / count - mean * mean).max(0.0);
        Self { mean, bound: mean + (0.03 * mean).max(4.0 * (variance / count).sqrt()) }
    }
}

/// A bound for the bytes of everything but records and indices: manifest, report and headers.
pub(super) fn overhead(plan: &ShardPlan) -> u64 {
    let classes = serde_json::to_string_pretty(&plan.classes).unwrap_or_default();
    let text = classes.len() + 4 * classes.lines().count();
    let counts = plan.classes.len() * plan.splits.len() * 32;
    let shards: usize = plan.splits.iter().map(|split| plan.shards(split)).sum();
    let mean_image = plan.size * plan.size * 16; // f32 in base64
    let fixed = 8192 + text + counts + shards * (256 + HEADER) + mean_image;
    fixed as u64 + report_bytes(&plan.report)
}

/// The bytes of these lines of the report.
pub(super) fn report_bytes(lines: &[ReportLine]) -> u64 {
    lines.iter().map(|line| line.to_json().len() as u64).sum()
}

/// The most bytes that a shard may have with its lines of the report; all there are without a
/// budget.
pub(super) fn share(plan: &ShardPlan, split: &SplitPlan, shard: usize) -> u64 {
    let Some(budget) = plan.encoding.budget else { return u64::MAX };
    let all = u128::from(budget.saturating_sub(overhead(plan)));
    let own = plan.positions(split, shard).len();
    HEADER as u64 + (all * own as u128 / plan.images().max(1) as u128) as u64
}

/// The mixtures that are tried for a shard, one after another, until it keeps to its share.
pub(super) fn attempts(mixture: Mixture) -> Vec<Mixture> {
    let (Some(_), Some(quality)) = (mixture.budget, mixture.quality) else { return vec![mixture] };
    let fewer_raw = [3, 2, 1, 0].map(|quarters| Mixture {
        raw_per_million: mixture.raw_per_million / 4 * quarters,
        ..mixture
    });
    let lower_quality = [5, 10, 20, 35, 50].map(|less| Mixture {
        raw_per_million: 0,
        quality: Some(quality.saturating_sub(less).max(1)),
        ..mixture
    });
    let mut attempts: Vec<_> =
        [mixture].into_iter().chain(fewer_raw).chain(lower_quality).collect();
    attempts.dedup();
    attempts
}

impl Preparation<'_> {
    /// With a budget, chooses how many records may be raw. An interrupted run of the same
    /// preparation has chosen already.
    pub(super) fn choose_mixture(&mut self) -> Result<()> {
        let Mixture { budget: Some(budget), quality: Some(quality), .. } = self.plan.encoding
        else {
            return Ok(());
        };
        if let Some(begun) = ShardPlan::read(self.dir) {
            let mut plan = self.plan.clone();
            plan.encoding.raw_per_million = begun.encoding.raw_per_million;
            if plan == begun {
                self.plan = plan;
                return Ok(());
            }
        }
        self.plan.encoding.raw_per_million = self.raw_per_million(budget, quality)?;
        Ok(())
    }

    /// How many of a million records may be raw within `budget`.
    fn raw_per_million(&self, budget: u64, quality: u8) -> Result<u32> {
        let (overhead, images) = (overhead(&self.plan), self.plan.images());
        let raw = (self.plan.size * self.plan.size * 3) as f64;
        let room = budget.saturating_sub(overhead) as f64 / images.max(1) as f64 - ENTRY as f64;
        if room >= raw {
            return Ok(MILLION);
        }
        let jpeg = self.measure(SAMPLE, quality)?;
        if room < jpeg.mean.min(raw) {
            let total = |jpeg_bound: f64| {
                let record = jpeg_bound.min(raw) + ENTRY as f64;
                overhead + (record * images as f64) as u64
            };
            let advice = self.advice(quality, &|ratio| {
                let needed = total(jpeg.bound * ratio);
                (needed <= budget).then_some(needed)
            })?;
            return Err(Error::Budget { budget, quality, needed: total(jpeg.bound), advice });
        }
        let share = (room - jpeg.bound) / (raw - jpeg.bound).max(1.0);
        Ok((share.clamp(0.0, 1.0) * f64::from(MILLION)) as u32)
    }

    /// Measures the size of JPEG records on the first `count` images of train in the stored order.
    /// Images that cannot be read have no record, and are left out.
    fn measure(&self, count: usize, quality: u8) -> Result<JpegSize> {
        let (Some(plan), Some(listed)) = (self.plan.splits.first(), self.splits.first()) else {
            return Ok(JpegSize::of(&[]));
        };
        let order = self.plan.order(plan);
        let sizes = Mutex::new(Vec::new());
        let decoder = || self.plan.decoder();
        for_each(self.threads, &order[..count.min(order.len())], decoder, |decoder, &i| {
            self.check_stop()?;
            let pixels = match listed.images.load(i, decoder) {
                Ok(pixels) => pixels,
                Err(LoadError::Image(_)) => return Ok(()), // reported when its shard is made
                Err(LoadError::Input(error)) => return Err(error),
            };
            if let Ok(jpeg) = record::encode(&pixels.data, pixels.height, quality) {
                sizes.lock().unwrap_or_else(PoisonError::into_inner).push(jpeg.len() as u64);
            }
            Ok(())
        })?;
        Ok(JpegSize::of(&sizes.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The highest quality below `quality` that would do, in words. `needed` gets the ratio of its
    /// bytes to those of `quality`, and returns the bytes of the dataset if they are within budget.
    fn advice(&self, quality: u8, needed: &dyn Fn(f64) -> Option<u64>) -> Result<String> {
        let requested = self.measure(ADVICE, quality)?.mean;
        for lower in [95, 90, 85, 80, 70, 60, 50, 30].into_iter().filter(|&q| q < quality) {
            if let Some(bytes) = needed(self.measure(ADVICE, lower)?.mean / requested) {
                return Ok(format!("a quality of {lower} (about {})", byte_count(bytes)));
            }
        }
        Ok("fewer images".into())
    }
}
