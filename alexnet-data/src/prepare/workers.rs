//! Makes shards: many threads decode and encode the images, and one writes them in order.

use super::budget::{attempts, report_bytes, share};
use super::preparation::Preparation;
use super::report::{Action, ReportLine};
use super::shard_plan::SplitPlan;
use super::shard_result::ShardResult;
use super::shard_writer::{Record, ShardWriter};
use super::source::listing::{ListedSplit, LoadError};
use crate::checksum::Checksum;
use crate::decode::pixels::Pixels;
use crate::encoding::Mixture;
use crate::error::{Error, Result};
use crate::progress::{Progress, Stage};
use crate::record::{self, JPEG, RAW};
use crate::statistics::Sums;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::thread;

/// How many images of each thread may wait for the writer.
const AHEAD: usize = 8;

/// What a decoding thread sends to the writer.
enum Message {
    /// One image, with the fault of a damaged file; or why it could not be used.
    Image(Result<(Record, Option<String>), LoadError>),
    /// The sums over the thread's images of a shard, after the last of them.
    Sums(Box<Sums>),
}

impl Preparation<'_> {
    /// Makes the shards that are `mine`, by their number among the shards of all splits, and are
    /// not finished yet.
    pub(super) fn write_shards(&self, mine: impl Fn(usize) -> bool) -> Result<()> {
        let mut first = 0;
        for (number, split) in self.plan.splits.iter().enumerate() {
            let shards = self.plan.shards(split);
            let (finished, todo): (Vec<_>, Vec<_>) = (0..shards)
                .filter(|shard| mine(first + shard))
                .partition(|&shard| ShardResult::load(self.dir, &split.shard(shard)).is_some());
            let images = |shards: &[usize]| -> u64 {
                shards.iter().map(|&s| self.plan.positions(split, s).len() as u64).sum()
            };
            self.write_split(number, &todo, images(&finished), images(&finished) + images(&todo))?;
            first += shards;
        }
        Ok(())
    }

    /// Makes the shards `todo` of split `number`; its progress begins at `done` of `total` images.
    /// No file records that a shard was too large for its share of a budget: a preparation that is
    /// interrupted repeats the attempts for one shard at most.
    pub(super) fn write_split(
        &self,
        number: usize,
        todo: &[usize],
        done: u64,
        total: u64,
    ) -> Result<()> {
        let (plan, listed) = (&self.plan.splits[number], &self.splits[number]);
        let order = &self.plan.order(plan);
        let mut progress = Progress::of(listed.stage, done, total);
        let attempts = attempts(self.plan.encoding);
        // Without a budget no shard can be too large, and threads need not wait between shards.
        let at_once = if attempts.len() == 1 { todo.len() } else { 1 };
        for shards in todo.chunks(at_once.max(1)) {
            let mut shards = shards.to_vec();
            for &mixture in &attempts {
                let pass = Pass { preparation: self, plan, listed, order, mixture, shards };
                shards = pass.run(&mut progress)?;
            }
            if let Some(&shard) = shards.first() {
                return Err(Error::Share(plan.shard(shard)));
            }
        }
        Ok(())
    }
}

/// One attempt to make some shards of a split, with one mixture of encodings.
struct Pass<'a> {
    preparation: &'a Preparation<'a>,
    plan: &'a SplitPlan,
    listed: &'a ListedSplit,
    order: &'a [usize],
    mixture: Mixture,
    shards: Vec<usize>,
}

impl Pass<'_> {
    /// Makes the shards; returns those that exceed their share of the budget.
    ///
    /// Thread t of T decodes the images t, t + T, t + 2T … of each shard and sends them, in that
    /// order, through its own bounded queue; the writer takes one from each queue in turn. So
    /// records are in order without sorting, and at most T × [`AHEAD`] images wait.
    fn run(&self, progress: &mut Progress) -> Result<Vec<usize>> {
        if self.shards.is_empty() {
            return Ok(Vec::new());
        }
        thread::scope(|scope| {
            let (mut queues, mut threads) = (Vec::new(), Vec::new());
            for thread in 0..self.preparation.threads {
                let (sender, receiver) = bounded(AHEAD);
                threads.push(scope.spawn(move || self.decode(thread, &sender)));
                queues.push(receiver);
            }
            let written = self.write(&queues, progress);
            // After an error, threads that are still at work end when they find their queue closed.
            drop(queues);
            let joined = threads.into_iter().map(|t| t.join().map_err(|_| Error::Worker));
            joined.collect::<Result<(), _>>().and(written)
        })
    }

    /// Decodes, encodes and sums up the images of one thread, until all are sent or the queue
    /// closes.
    fn decode(&self, thread: usize, queue: &Sender<Message>) {
        let Preparation { plan, threads, .. } = self.preparation;
        let (values, mut decoded) = (plan.size * plan.size * 3, Vec::new());
        let mut decoder = plan.decoder();
        for &shard in &self.shards {
            let mut sums = Sums::new(values);
            for position in plan.positions(self.plan, shard).skip(thread).step_by(*threads) {
                let image = self.listed.images.load(self.order[position], &mut decoder);
                let image = image.and_then(|pixels| {
                    let sums = Some(&mut sums).filter(|_| self.listed.stage == Stage::Train);
                    encode(pixels, self.mixture.quality_at(position), sums, &mut decoded)
                });
                if queue.send(Message::Image(image)).is_err() {
                    return;
                }
            }
            if queue.send(Message::Sums(Box::new(sums))).is_err() {
                return;
            }
        }
    }

    /// Writes what the threads send, shard after shard.
    fn write(&self, queues: &[Receiver<Message>], progress: &mut Progress) -> Result<Vec<usize>> {
        let Preparation { plan, dir, progress: report_progress, .. } = self.preparation;
        let mut too_large = Vec::new();
        for &shard in &self.shards {
            let (start, name) = (*progress, self.plan.shard(shard));
            let mut writer = ShardWriter::create(dir, name.clone(), plan.size)?;
            let (mut images_per_class, mut report) = (vec![0; plan.classes.len()], Vec::new());
            let mut note = |path: &str, action, reason: &str| {
                report.push(ReportLine::new(&self.plan.name, path, action, reason));
            };
            if self.mixture.quality != plan.encoding.quality {
                let quality = self.mixture.quality.unwrap_or_default();
                let reason =
                    format!("its records have JPEG quality {quality}, to keep to the budget");
                note(&name, Action::Noted, &reason);
            }
            for (n, &i) in self.order[plan.positions(self.plan, shard)].iter().enumerate() {
                self.preparation.check_stop()?;
                let Ok(Message::Image(image)) = queues[n % queues.len()].recv() else {
                    return Err(Error::Worker);
                };
                match image {
                    Ok((record, damage)) => {
                        let label = self.listed.images.label(i);
                        writer.add(label, &record)?;
                        images_per_class[label as usize] += 1;
                        progress.bytes += record.bytes.len() as u64;
                        if let Some(reason) = damage {
                            note(&self.listed.images.name(i), Action::Damaged, &reason);
                        }
                    }
                    Err(LoadError::Input(error)) => return Err(error),
                    Err(LoadError::Image(reason)) => {
                        progress.skipped += 1;
                        note(&self.listed.images.name(i), Action::Skipped, &reason);
                    }
                }
                progress.done += 1;
                report_progress(*progress);
            }
            let mut sums = Sums::new(plan.size * plan.size * 3);
            for queue in queues {
                let Ok(Message::Sums(part)) = queue.recv() else { return Err(Error::Worker) };
                sums.merge(&part);
            }
            if writer.bytes() + report_bytes(&report) > share(plan, self.plan, shard) {
                *progress = start; // it is made again, and counted then
                too_large.push(shard);
                continue;
            }
            let (shard, skipped) = (writer.finish()?, progress.skipped - start.skipped);
            let sums = (self.listed.stage == Stage::Train).then_some(sums);
            ShardResult { shard, images_per_class, skipped, report, sums }.write(dir)?;
        }
        Ok(too_large)
    }
}

/// Encodes one image as a record, raw or as JPEG of a quality, and adds it to the sums. The sums
/// are those of the pixels that a reader gets, so every JPEG is decoded once before it is written.
fn encode(
    pixels: Pixels,
    quality: Option<u8>,
    sums: Option<&mut Sums>,
    decoded: &mut Vec<u8>,
) -> Result<(Record, Option<String>), LoadError> {
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
    Ok((Record { checksum: Checksum::of(&bytes), bytes, encoding }, damage))
}
