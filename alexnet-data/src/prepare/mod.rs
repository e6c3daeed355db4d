//! Preparation: a source of images in, a finished dataset out.

mod budget;
mod finish;
mod job;
mod options;
mod output;
mod part;
mod piece;
mod repair;
mod report;
mod shards;
mod source;
mod split;
#[cfg(test)]
mod worker_tests;

use crate::demo::{DemoOptions, draw_demo};
use crate::{Encoding, Error, Manifest, Mixture};
pub(crate) use budget::in_words;
use budget::settle;
use finish::{finish, summary};
use job::{JobFile, SHARD_BYTES};
pub use options::{PrepareOptions, Progress, Stage, Summary};
use options::{check, threads};
use output::Output;
pub use part::{Part, PartSummary, merge, prepare_part};
use piece::Piece;
pub use repair::repair;
pub use source::Source;
pub(crate) use source::fuzz;
use source::{Images, Listing, list};
use split::{Work, write_split};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The report's file name: one JSON object a line, `split`, `path`, `action`, `reason`.
const REPORT: &str = "report.jsonl";
/// The seed of the stored order of train. Any would do; this one stays.
const ORDER_SEED: u64 = 2012;

/// Prepares a dataset. The same input gives the same bytes for any number of threads.
///
/// An image that cannot be read is skipped and named in `report.jsonl`. `progress` is called for
/// every image, while drawing from several threads at once.
///
/// An accident (a kill, a full disk) costs the shard under way: the same call goes on behind the
/// last whole shard, to the same bytes. After an error that another run would meet again, nothing
/// of the output is left.
///
/// # Errors
/// Every [`Error`] but those of reading: a missing or empty input, an output that is in use,
/// unreadable images under [`PrepareOptions::strict`], a full disk.
pub fn prepare(
    options: &PrepareOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Summary, Error> {
    prepare_until(options, progress, &AtomicBool::new(false))
}

/// As [`prepare`], and ends with [`Error::Interrupted`] soon after `stop` becomes true. What is whole
/// by then is kept, and the same call goes on from there.
///
/// # Errors
/// Those of [`prepare`], and [`Error::Interrupted`].
pub fn prepare_until(
    options: &PrepareOptions,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Summary, Error> {
    check(options)?;
    // Before the work, not after it.
    // What is left of a demo can be made again in seconds; of anything else, people decide.
    let output = match Output::open(&options.output, options.source == Source::Demo)? {
        output::Opened::Ready(output) => output,
        output::Opened::Finished(output) => {
            // Killed between the manifest and the tidying: it only remains to tidy.
            let manifest = Manifest::read(output.dir())?;
            output.tidy()?;
            return summary(output.dir(), &manifest);
        }
    };
    match write(options, &output, progress, stop) {
        Ok(manifest) => {
            output.tidy()?;
            summary(&options.output, &manifest)
        }
        Err(error) => {
            output.after(&error);
            Err(error)
        }
    }
}

fn write(
    options: &PrepareOptions,
    output: &Output,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Manifest, Error> {
    if options.source == Source::Demo {
        draw_demo(&options.input, &DemoOptions::STANDARD, progress)?;
    }
    let (listing, job) = begin(options, output.dir(), progress, stop)?;
    output.begin(&job)?;
    write_shards(options, &job, &listing, &|_| true, output.dir(), progress, stop)?;
    finish(&job, options.strict, output).map_err(|error| match error {
        Error::NoImages => {
            let problem = "no image of the train split could be read".into();
            Error::Source { path: options.input.clone(), problem }
        }
        error => error,
    })
}

/// Lists the input and settles what is to be made of it.
fn begin(
    options: &PrepareOptions,
    dir: &Path,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<(Listing, JobFile), Error> {
    let listing = list(options, progress)?;
    let record = options.size * options.size * 3;
    let shard_records = options.shard_records.unwrap_or(SHARD_BYTES / record).max(1);
    let job = JobFile::new(options, shard_records, &listing);
    let job = settled(job, options, &listing, dir, stop)?;
    Ok((listing, job))
}

/// Makes those shards that are `mine`, by their number among those of all splits, and not whole yet.
fn write_shards(
    options: &PrepareOptions,
    job: &JobFile,
    listing: &Listing,
    mine: &dyn Fn(usize) -> bool,
    dir: &Path,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<(), Error> {
    let mut first = 0;
    for (plan, (stage, images)) in job.splits.iter().zip(&listing.splits) {
        let shards = job.shards(plan);
        let whole = |shard: usize| Piece::load(dir, &plan.shard(shard)).is_some();
        let own = (0..shards).filter(|shard| mine(first + shard));
        let (whole, todo): (Vec<_>, Vec<_>) = own.partition(|&shard| whole(shard));
        let count = |shards: &[usize]| -> u64 {
            shards.iter().map(|&s| job.positions(plan, s).len() as u64).sum()
        };
        let work = Work {
            job,
            plan,
            stage: *stage,
            images: &**images,
            threads: threads(options.threads),
            total: count(&whole) + count(&todo),
            before: count(&whole),
            dir,
            progress,
            stop,
        };
        write_split(&work, &todo)?;
        first += shards;
    }
    Ok(())
}

/// The job with its share of raw records: that of an earlier run, or one measured now.
fn settled(
    job: JobFile,
    options: &PrepareOptions,
    listing: &Listing,
    dir: &Path,
    stop: &AtomicBool,
) -> Result<JobFile, Error> {
    let Encoding::Budget { bytes, quality } = options.encoding else { return Ok(job) };
    let begun = JobFile::read(dir);
    if let Some(job) = begun.and_then(|begun| job.settled_as(&begun)) {
        return Ok(job);
    }
    let (Some(plan), Some((stage, images))) = (job.splits.first(), listing.splits.first()) else {
        return Ok(job);
    };
    let threads = threads(options.threads);
    let (stage, images, progress) = (*stage, &**images, &|_| ());
    let total = plan.images as u64;
    let work =
        Work { job: &job, plan, stage, images, threads, total, before: 0, dir, progress, stop };
    let raw_per_million = settle(&work, bytes, quality)?;
    Ok(JobFile { encoding: Mixture { raw_per_million, ..job.encoding }, ..job })
}
