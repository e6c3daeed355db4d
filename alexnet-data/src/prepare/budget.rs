//! A budget of bytes: how many records may be raw, and what becomes of a shard that is too large.
//!
//! Each shard has its share of the budget, by the images it is made of. How many records are raw is
//! settled once, before the first shard, from the JPEG sizes of the first images of train in the
//! stored order and a margin. A shard that comes out larger than its share all the same is made
//! again before the next is begun, with fewer raw records, and if there are none left, with less
//! quality. So each shard is still a function of the job and the input alone, the sum never exceeds
//! the budget, and a preparation that is stopped again and again gets on.

use super::job::{JobFile, SplitPlan};
use super::report::Odd;
use super::{Images, split::Work};
use crate::encoding::{MILLION, Mixture};
use crate::header::{ENTRY, HEADER};
use crate::{Decoder, Error, record};
use std::sync::atomic::Ordering;
use std::thread;

/// Images the JPEG size is measured on: its mean is then known to some 2 %.
const SAMPLE: usize = 1024;
/// Images on which other qualities are tried for the advice in an error.
const ADVICE: usize = 32;

/// The mean and the bound of a JPEG record's bytes that the share of raw records is settled with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub(super) mean: f64,
    /// The mean and a margin: 3 %, or four standard errors where the sample says less.
    pub(super) bound: f64,
}

impl Measured {
    /// Of a sample's number, sum and sum of squares.
    fn new(n: u64, sum: u64, squares: u128) -> Self {
        let count = n.max(1) as f64;
        let mean = sum as f64 / count;
        let variance = (squares as f64 / count - mean * mean).max(0.0);
        Self { mean, bound: mean + (0.03 * mean).max(4.0 * (variance / count).sqrt()) }
    }
}

/// Bytes of all that is no record or index: the manifest's bound, the report's first lines, headers.
pub(super) fn overhead(job: &JobFile) -> u64 {
    let classes = serde_json::to_string_pretty(&job.classes).unwrap_or_default();
    let text = classes.len() + 4 * classes.lines().count();
    let counts = job.classes.len() * job.splits.len() * 32;
    let shards: usize = job.splits.iter().map(|plan| job.shards(plan)).sum();
    let mean_image = job.size * job.size * 16; // f32 in base64
    let report: u64 = job.odd.iter().map(line).sum();
    (8192 + text + counts + shards * (256 + HEADER) + mean_image) as u64 + report
}

/// Bytes of a line of the report.
pub(super) fn line(odd: &Odd) -> u64 {
    serde_json::to_vec(odd).map_or(0, |text| text.len() as u64 + 1)
}

/// The most bytes shard number `shard` may have, with its lines of the report; `None` without a budget.
pub(super) fn share(job: &JobFile, plan: &SplitPlan, shard: usize) -> Option<u64> {
    let all = u128::from(job.encoding.budget?.saturating_sub(overhead(job)));
    let images: usize = job.splits.iter().map(|plan| plan.images).sum();
    let own = job.positions(plan, shard).len();
    Some(HEADER as u64 + (all * own as u128 / images.max(1) as u128) as u64)
}

/// The ways a shard is made until it keeps to its share.
pub(super) fn rungs(mixture: Mixture) -> Vec<Mixture> {
    let (Some(_), Some(quality)) = (mixture.budget, mixture.quality) else { return vec![mixture] };
    let fewer = [3, 2, 1, 0].map(|quarters| Mixture {
        raw_per_million: mixture.raw_per_million / 4 * quarters,
        ..mixture
    });
    let worse = [5, 10, 20, 35, 50].map(|less| Mixture {
        raw_per_million: 0,
        quality: Some(quality.saturating_sub(less).max(1)),
        ..mixture
    });
    let mut rungs: Vec<_> = std::iter::once(mixture).chain(fewer).chain(worse).collect();
    rungs.dedup();
    rungs
}

/// How many of a million records may be raw.
pub(super) fn settle(work: &Work<'_>, budget: u64, quality: u8) -> Result<u32, Error> {
    let job = work.job;
    let raw = (job.size * job.size * 3) as f64;
    let images: usize = job.splits.iter().map(|plan| plan.images).sum();
    let room = budget.saturating_sub(overhead(job)) as f64 / images.max(1) as f64 - ENTRY as f64;
    if room >= raw {
        return Ok(MILLION);
    }
    let measured = measure(work, SAMPLE, quality)?;
    if room < measured.mean.min(raw) {
        let total = |m: Measured| {
            let record = m.bound.min(raw) + ENTRY as f64;
            overhead(job) + (record * images as f64) as u64
        };
        let advice = advice(work, quality, &|less: f64| {
            let (mean, bound) = (measured.mean * less, measured.bound * less);
            let need = total(Measured { mean, bound });
            (need <= budget).then_some(need)
        })?;
        return Err(Error::Budget { budget, quality, needed: total(measured), advice });
    }
    let share = (room - measured.bound) / (raw - measured.bound).max(1.0);
    Ok((share.clamp(0.0, 1.0) * f64::from(MILLION)) as u32)
}

/// The size of JPEG records, on up to `count` images of the stored order.
fn measure(work: &Work<'_>, count: usize, quality: u8) -> Result<Measured, Error> {
    let (job, order) = (work.job, work.job.order(work.plan));
    let sample = &order[..count.min(order.len())];
    let sums = |first: usize| {
        let (mut n, mut sum, mut squares) = (0, 0, 0);
        let mut decoder = Decoder::new(job.size, job.exif);
        for &i in sample.iter().skip(first).step_by(work.threads) {
            if work.stop.load(Ordering::Relaxed) {
                break;
            }
            if let Some(length) = length(work.images, i, &mut decoder, quality) {
                (n, sum) = (n + 1, sum + length);
                squares += u128::from(length) * u128::from(length);
            }
        }
        (n, sum, squares)
    };
    let parts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..work.threads).map(|first| scope.spawn(move || sums(first))).collect();
        threads.into_iter().map(|t| t.join().map_err(|_| Error::Worker)).collect::<Result<_, _>>()
    })?;
    if work.stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted { path: work.dir.into() });
    }
    let add = |a: (u64, u64, u128), b: &(u64, u64, u128)| (a.0 + b.0, a.1 + b.1, a.2 + b.2);
    let (n, sum, squares) = parts.iter().fold((0, 0, 0), add);
    Ok(Measured::new(n, sum, squares))
}

/// Bytes of image `i` as JPEG; `None` where it cannot be read, and will be in no shard.
fn length(images: &dyn Images, i: usize, decoder: &mut Decoder, quality: u8) -> Option<u64> {
    let pixels = images.load(i, decoder).ok()?;
    Some(record::encode(&pixels.data, pixels.height, quality).ok()?.len() as u64)
}

/// The best lower quality that would do, in words; `fits` gets the ratio of its bytes to those of
/// `quality` and says what the dataset would take.
fn advice(
    work: &Work<'_>,
    quality: u8,
    fits: &dyn Fn(f64) -> Option<u64>,
) -> Result<String, Error> {
    let asked = measure(work, ADVICE, quality)?.mean;
    for lower in [95, 90, 85, 80, 70, 60, 50, 30].into_iter().filter(|&q| q < quality) {
        let ratio = measure(work, ADVICE, lower)?.mean / asked;
        if let Some(need) = fits(ratio) {
            return Ok(format!("a quality of {lower} (about {})", in_words(need)));
        }
    }
    Ok("fewer images".into())
}

/// A number of bytes as people say it.
pub(crate) fn in_words(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{bytes} bytes"),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
