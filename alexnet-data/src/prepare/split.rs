//! Writes shards of one split: decoded by many threads, written in order by one.

use super::job::{JobFile, SplitPlan};
use super::piece::{Facts, Piece};
use super::report::{Action, Odd};
use super::shards::ShardWriter;
use super::{Images, Progress, Stage};
use crate::Error;
use crate::record::RAW;
use crate::statistics::Sums;
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
    /// Images in shards that were whole already.
    pub(super) before: u64,
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

/// Writes the shards `todo` of a split, and the piece of each.
///
/// Thread t of T decodes images t, t + T, t + 2T … of each shard and sends them, in that order, down
/// its own bounded queue; the writer takes from the queues in turn. So records are written in order
/// with no buffer to sort, and memory is bounded by threads × [`AHEAD`] images.
pub(super) fn write_split(work: &Work<'_>, todo: &[usize], dir: &Path) -> Result<(), Error> {
    if todo.is_empty() {
        return Ok(());
    }
    let order = &work.job.order(work.plan);
    thread::scope(|scope| {
        let (mut queues, mut threads) = (Vec::new(), Vec::new());
        for first in 0..work.threads {
            let (sender, receiver) = bounded(AHEAD);
            threads.push(scope.spawn(move || decode_all(work, todo, order, first, &sender)));
            queues.push(receiver);
        }
        let written = write_all(work, todo, order, queues, dir);
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
    first: usize,
    sender: &Sender<Message>,
) {
    let size = work.job.size;
    for &shard in todo {
        let mut sums = Sums::new(size * size * 3);
        let positions = work.job.positions(work.plan, shard);
        for &i in order[positions].iter().skip(first).step_by(work.threads) {
            let image = work.images.load(i, size, work.job.exif).map(|pixels| {
                if work.stage == Stage::Train {
                    sums.add(&pixels.data);
                }
                let crc = crc32fast::hash(&pixels.data);
                Ready { bytes: pixels.data, crc, encoding: RAW, damage: pixels.damage }
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

fn write_all(
    work: &Work<'_>,
    todo: &[usize],
    order: &[usize],
    queues: Vec<Receiver<Message>>,
    dir: &Path,
) -> Result<(), Error> {
    let Work { job, plan, .. } = work;
    let total =
        work.before + todo.iter().map(|&s| job.positions(plan, s).len() as u64).sum::<u64>();
    let mut progress =
        Progress { stage: work.stage, done: work.before, total, skipped: 0, bytes: 0 };
    for &shard in todo {
        let mut writer = ShardWriter::create(dir, plan.shard(shard), job.size)?;
        let (mut counts, mut skipped, mut odd) = (vec![0; job.classes.len()], 0, Vec::new());
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
            (work.progress)(progress);
        }
        let mut sums = Sums::new(job.size * job.size * 3);
        for queue in &queues {
            let Ok(Message::Sums(part)) = queue.recv() else { return Err(Error::Worker) };
            sums.merge(&part);
        }
        let facts = Facts { shard: writer.finish()?, counts, skipped, odd };
        let sums = (work.stage == Stage::Train).then_some(sums);
        Piece { facts, sums }.write(dir)?;
    }
    Ok(())
}
