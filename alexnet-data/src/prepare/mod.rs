//! Preparation: a source of images in, a finished dataset out.

mod finish;
mod job;
mod options;
mod output;
mod piece;
mod repair;
mod report;
mod shards;
mod source;
mod split;
#[cfg(test)]
mod worker_tests;

use crate::demo::{DemoOptions, draw_demo};
use crate::{Error, Manifest};
use finish::{finish, summary};
use job::{JobFile, SHARD_BYTES};
pub use options::{PrepareOptions, Progress, Stage, Summary};
use options::{check, threads};
use output::Output;
use piece::Piece;
pub use repair::repair;
pub use source::Source;
pub(crate) use source::fuzz;
use source::{Images, Listing, list};
use split::{Work, write_split};
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
    let listing = list(options, progress)?;
    let record = options.size * options.size * 3;
    let shard_records = options.shard_records.unwrap_or(SHARD_BYTES / record).max(1);
    let job = JobFile::new(options, shard_records, &listing);
    output.begin(&job)?;
    for (plan, (stage, images)) in job.splits.iter().zip(&listing.splits) {
        let done = |shard: usize| Piece::load(output.dir(), &plan.shard(shard)).is_some();
        let (whole, todo): (Vec<_>, Vec<_>) = (0..job.shards(plan)).partition(|&s| done(s));
        let work = Work {
            job: &job,
            plan,
            stage: *stage,
            images: &**images,
            threads: threads(options.threads),
            before: whole.iter().map(|&s| job.positions(plan, s).len() as u64).sum(),
            progress,
            stop,
        };
        write_split(&work, &todo, output.dir())?;
    }
    finish(&job, options.strict, output).map_err(|error| match error {
        Error::NoImages => {
            let problem = "no image of the train split could be read".into();
            Error::Source { path: options.input.clone(), problem }
        }
        error => error,
    })
}
