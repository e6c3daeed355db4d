//! Writes shards of one split: decoded by many threads, written in order by one.

use super::budget::{self, line, rungs};
use super::job::{JobFile, SplitPlan};
use super::piece::{Facts, Piece};
use super::report::{Action, Odd};
use super::shards::ShardWriter;
use super::{Images, Progress, Stage};
use crate::record::{self, JPEG, RAW};
use crate::statistics::Sums;
use crate::{Decoder, Error, Mixture, Pixels};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Decoded images that may wait for the writer, for each thread.
const AHEAD: usize = 8;

/// A split and how to write it.
pub(super) struct Work<'a> {
    pub(super) job: &'a JobFile,
    pub(super) plan: &'a SplitPlan,
    pub(super) stage: Stage,
    pub(super) images: &'a dyn Images,
    pub(super) threads: usize,
    /// Images of all shards that are to be whole in the end, and of those that were so already.
    pub(super) total: u64,
    pub(super) before: u64,
    /// Where the shards are made.
    pub(super) dir: &'a Path,
    pub(super) progress: &'a (dyn Fn(Progress) + Sync),
    pub(super) stop: &'a AtomicBool,
}

/// What a decoding thread hands to the writer.
enum Message {
    Image(Result<Ready, String>),
    /// The sums over the thread's share of a shard, after the last image of it.
    Sums(Box<Sums>),
}

struct Ready {
    bytes: Vec<u8>,
    crc: u32,
    encoding: u32,
    damage: Option<String>,
}

/// Writes the shards `todo` of a split, and the piece of each. One that exceeds its share of a budget
/// is made again, in a smaller way, before the next is begun: nothing on disk says that it was too
/// large, so a preparation that is stopped has at most one shard to try again.
pub(super) fn write_split(work: &Work<'_>, todo: &[usize]) -> Result<(), Error> {
    let (stage, done, total) = (work.stage, work.before, work.total);
    let mut progress = Progress { stage, done, total, skipped: 0, bytes: 0 };
    let rungs = rungs(work.job.encoding);
    // Where none can be too large, threads need not wait for each other between shards.
    let together = if rungs.len() == 1 { todo.len() } else { 1 };
    for shards in todo.chunks(together.max(1)) {
        let mut left = shards.to_vec();
        for &mixture in &rungs {
            left = write_as(work, &left, mixture, &mut progress)?;
        }
        if let Some(&shard) = left.first() {
            return Err(Error::Share { shard: work.plan.shard(shard) });
        }
    }
    Ok(())
}

/// Writes the shards `todo` with records of one mixture; returns those that exceed their share.
///
/// Thread t of T decodes images t, t + T, t + 2T … of each shard and sends them, in that order, down
/// its own bounded queue; the writer takes from the queues in turn. So records are written in order
/// with no buffer to sort, and memory is bounded by threads × [`AHEAD`] images.
fn write_as(
    work: &Work<'_>,
    todo: &[usize],
    mixture: Mixture,
    progress: &mut Progress,
) -> Result<Vec<usize>, Error> {
    if todo.is_empty() {
        return Ok(Vec::new());
    }
    let order = &work.job.order(work.plan);
    thread::scope(|scope| {
        let (mut queues, mut threads) = (Vec::new(), Vec::new());
        for first in 0..work.threads {
            let (sender, receiver) = bounded(AHEAD);
            threads
                .push(scope.spawn(move || decode_all(work, todo, order, mixture, first, &sender)));
            queues.push(receiver);
        }
        let written = write_all(work, todo, order, mixture, queues, progress);
        // The queues are gone: threads still at work after an error end at their next image.
        let joined = threads.into_iter().map(|t| t.join().map_err(|_| Error::Worker));
        joined.collect::<Result<(), _>>().and(written)
    })
}

/// One thread's share: decodes, checks in, sums up.
fn decode_all(
    work: &Work<'_>,
    todo: &[usize],
    order: &[usize],
    mixture: Mixture,
    first: usize,
    sender: &Sender<Message>,
) {
    let (size, mut decoded) = (work.job.size, Vec::new());
    let mut decoder = Decoder::new(size, work.job.exif);
    for &shard in todo {
        let mut sums = Sums::new(size * size * 3);
        let positions = work.job.positions(work.plan, shard);
        for position in positions.skip(first).step_by(work.threads) {
            let image = work.images.load(order[position], &mut decoder);
            let image = image.and_then(|pixels| {
                let seen = Some(&mut sums).filter(|_| work.stage == Stage::Train);
                ready(pixels, mixture.quality_at(position), seen, &mut decoded)
            });
            if sender.send(Message::Image(image)).is_err() {
                return; // the writer has met an error
            }
        }
        if sender.send(Message::Sums(Box::new(sums))).is_err() {
            return;
        }
    }
}

/// One image as a record. Statistics are taken of the pixels that a reader will get, and so whatever
/// is written has been read once.
fn ready(
    pixels: Pixels,
    quality: Option<u8>,
    sums: Option<&mut Sums>,
    decoded: &mut Vec<u8>,
) -> Result<Ready, String> {
    let Pixels { height, width, data, damage } = pixels;
    let (bytes, encoding) = match quality {
        None => (data, RAW),
        Some(quality) => {
            let bytes = record::encode(&data, height, quality)?;
            record::decode(&bytes, [height, width], decoded)?;
            (bytes, JPEG)
        }
    };
    if let Some(sums) = sums {
        sums.add(if encoding == RAW { &bytes } else { decoded });
    }
    Ok(Ready { crc: crc32fast::hash(&bytes), bytes, encoding, damage })
}

fn write_all(
    work: &Work<'_>,
    todo: &[usize],
    order: &[usize],
    mixture: Mixture,
    queues: Vec<Receiver<Message>>,
    progress: &mut Progress,
) -> Result<Vec<usize>, Error> {
    let Work { job, plan, dir, .. } = *work;
    let mut too_large = Vec::new();
    for &shard in todo {
        let (start, name) = (*progress, plan.shard(shard));
        let mut writer = ShardWriter::create(dir, name.clone(), job.size)?;
        let (mut counts, mut skipped, mut odd) = (vec![0; job.classes.len()], 0, Vec::new());
        if mixture.quality != job.encoding.quality {
            let quality = mixture.quality.unwrap_or_default();
            let reason = format!("its records have JPEG quality {quality}, to keep to the budget");
            odd.push(Odd::new(&plan.name, name, Action::Noted, reason));
        }
        let mut note = |i, action, reason| {
            odd.push(Odd::new(&plan.name, work.images.name(i), action, reason));
        };
        for (n, &i) in order[job.positions(plan, shard)].iter().enumerate() {
            if work.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted { path: dir.into() });
            }
            let Ok(Message::Image(image)) = queues[n % queues.len()].recv() else {
                return Err(Error::Worker);
            };
            match image {
                Ok(Ready { bytes, crc, encoding, damage }) => {
                    let label = work.images.label(i);
                    writer.add(label, crc, encoding, &bytes)?;
                    counts[label as usize] += 1;
                    progress.bytes += bytes.len() as u64;
                    damage.into_iter().for_each(|reason| note(i, Action::Damaged, reason));
                }
                Err(reason) => {
                    skipped += 1;
                    progress.skipped += 1;
                    note(i, Action::Skipped, reason);
                }
            }
            progress.done += 1;
            (work.progress)(*progress);
        }
        let mut sums = Sums::new(job.size * job.size * 3);
        for queue in &queues {
            let Ok(Message::Sums(part)) = queue.recv() else { return Err(Error::Worker) };
            sums.merge(&part);
        }
        let share = budget::share(job, plan, shard).unwrap_or(u64::MAX);
        if writer.bytes() + odd.iter().map(line).sum::<u64>() > share {
            *progress = start; // made again, and counted then
            too_large.push(shard);
            continue;
        }
        let facts = Facts { shard: writer.finish()?, counts, skipped, odd };
        let sums = (work.stage == Stage::Train).then_some(sums);
        Piece { facts, sums }.write(dir)?;
    }
    Ok(too_large)
}
