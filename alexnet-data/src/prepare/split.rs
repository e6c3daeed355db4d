//! Writes one split: decoded by many threads, written in order by one.

use super::output::Output;
use super::report::{Action, Report};
use super::shards::ShardWriter;
use super::{Images, Progress, Stage};
use crate::draws::{Purpose, draws, shuffle};
use crate::statistics::Sums;
use crate::{Error, SplitInfo, StoredOrder};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::thread;

/// Decoded images that may wait for the writer, for each thread.
const AHEAD: usize = 8;

/// What both splits of a preparation share.
pub(super) struct Job<'a> {
    pub(super) size: usize,
    pub(super) threads: usize,
    pub(super) shard_records: usize,
    pub(super) classes: usize,
    pub(super) order_seed: u64,
    pub(super) progress: &'a (dyn Fn(Progress) + Sync),
}

/// What a decoding thread hands to the writer.
type Decoded = Result<Ready, String>;

struct Ready {
    pixels: Vec<u8>,
    crc: u32,
    damage: Option<String>,
}

impl Stage {
    /// The split this stage writes.
    fn split(self) -> &'static str {
        if self == Self::Val { "val" } else { "train" }
    }
}

/// Writes the shards of one split and returns what the manifest says of it, with its sums.
///
/// Thread t of T decodes images t, t + T, t + 2T … of the order and sends them, in that order, down
/// its own bounded queue; the writer takes from the queues in turn. So records are written in order
/// with no buffer to sort, and memory is bounded by threads × [`AHEAD`] images.
pub(super) fn write_split(
    job: &Job<'_>,
    stage: Stage,
    stored: StoredOrder,
    images: &dyn Images,
    output: &mut Output,
    report: &mut Report,
) -> Result<(SplitInfo, Sums), Error> {
    let name = stage.split();
    let mut order: Vec<usize> = (0..images.len()).collect();
    if stored == StoredOrder::Shuffled {
        shuffle(&mut draws(job.order_seed, 0, Purpose::Storage, 0), &mut order);
    }
    let order = &order;
    let writer = ShardWriter::new(output, name, job.size, job.shard_records);
    let (split, sums) = thread::scope(|scope| {
        let (mut queues, mut threads) = (Vec::new(), Vec::new());
        for first in 0..job.threads {
            let (sender, receiver) = bounded(AHEAD);
            let own = order.iter().skip(first).step_by(job.threads);
            threads.push(scope.spawn(move || decode_all(images, own, job.size, &sender)));
            queues.push(receiver);
        }
        let split = write_all(job, stage, stored, images, order, writer, queues, report);
        // The queues are gone: threads still at work after an error end at their next image.
        let mut sums = Sums::new(job.size * job.size * 3);
        for thread in threads {
            sums.merge(&thread.join().map_err(|_| Error::Worker)?);
        }
        Ok::<_, Error>((split?, sums))
    })?;
    Ok((split, sums))
}

/// One thread's share: decodes, checks in, sums up.
fn decode_all<'a>(
    images: &dyn Images,
    own: impl Iterator<Item = &'a usize>,
    size: usize,
    sender: &Sender<Decoded>,
) -> Sums {
    let mut sums = Sums::new(size * size * 3);
    for &i in own {
        let decoded = images.load(i, size).map(|pixels| {
            sums.add(&pixels.data);
            let crc = crc32fast::hash(&pixels.data);
            Ready { pixels: pixels.data, crc, damage: pixels.damage }
        });
        if sender.send(decoded).is_err() {
            break; // the writer has met an error
        }
    }
    sums
}

#[allow(clippy::too_many_arguments)] // one call, the two halves of one function
fn write_all(
    job: &Job<'_>,
    stage: Stage,
    stored: StoredOrder,
    images: &dyn Images,
    order: &[usize],
    mut writer: ShardWriter<'_>,
    queues: Vec<Receiver<Decoded>>,
    report: &mut Report,
) -> Result<SplitInfo, Error> {
    let name = stage.split();
    let (mut counts, mut skipped) = (vec![0u64; job.classes], 0);
    for (done, &i) in order.iter().enumerate() {
        match queues[done % queues.len()].recv().map_err(|_| Error::Worker)? {
            Ok(Ready { pixels, crc, damage }) => {
                let label = images.label(i);
                writer.add(label, crc, &pixels)?;
                counts[label as usize] += 1;
                if let Some(reason) = damage {
                    report.add(name, &images.name(i), Action::Damaged, &reason)?;
                }
            }
            Err(reason) => {
                skipped += 1;
                report.add(name, &images.name(i), Action::Skipped, &reason)?;
            }
        }
        let (done, total) = (done as u64 + 1, order.len() as u64);
        (job.progress)(Progress { stage, done, total, skipped });
    }
    Ok(SplitInfo {
        name: name.into(),
        order: stored,
        records: counts.iter().sum(),
        skipped,
        images_per_class: counts,
        shards: writer.finish()?,
    })
}
