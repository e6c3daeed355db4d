//! Preparation: image files in, a finished dataset out.
//!
//! The steps are [`source`] (lists the input), `shard_plan` (which image becomes which record of
//! which shard), `budget` (raw or JPEG), `workers` (make the shards) and `finish` (report,
//! statistics and manifest). `output` keeps the folder in a state from which the same call can
//! continue.

mod budget;
mod finish;
pub(crate) mod merge;
pub(crate) mod options;
mod output;
pub(crate) mod part;
mod preparation;
pub(crate) mod repair;
mod report;
mod shard_plan;
mod shard_result;
mod shard_writer;
pub(crate) mod source;
pub(crate) mod summary;
mod workers;
#[cfg(test)]
mod workers_tests;

use crate::error::{Error, Result};
use crate::progress::Progress;
use finish::finish;
use options::PrepareOptions;
use output::Output;
use part::{Part, PartSummary};
use preparation::Preparation;
use report::Faults;
use shard_result::ShardResult;
use source::Source;
use std::sync::atomic::AtomicBool;
use summary::Summary;

/// Prepares a dataset. The same input gives the same bytes for any number of threads.
///
/// An image that cannot be decoded is skipped and named in `report.jsonl`. `progress` is called for
/// every image, by several threads at once while the demo images are drawn.
///
/// After a kill, a full disk or an input that cannot be read, the same call continues after the
/// last whole shard, and makes the same bytes. After an error that another run would meet again,
/// nothing of the output is left, but for the report where no image can be decoded.
///
/// # Errors
/// Every [`Error`] but those of reading a dataset: a missing or empty input, an output that is in
/// use, faults of the input under [`PrepareOptions::strict`], a full disk.
pub fn prepare(options: &PrepareOptions, progress: &(dyn Fn(Progress) + Sync)) -> Result<Summary> {
    prepare_until(options, progress, &AtomicBool::new(false))
}

/// The same as [`prepare`], but ends with [`Error::Interrupted`] soon after `stop` becomes true.
/// Whole shards are kept, and the same call continues after them.
///
/// # Errors
/// Those of [`prepare`], and [`Error::Interrupted`].
pub fn prepare_until(
    options: &PrepareOptions,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Summary> {
    options.check()?;
    // The demo can be made again in seconds; any other unfinished preparation is for people to
    // remove.
    let replace = options.source == Source::Demo;
    // Opened before the work, so that an output that cannot be used is refused at once.
    let Some(output) = Output::open(&options.output, replace)? else {
        return Summary::read(&options.output);
    };
    let made = (|| {
        let mut preparation = Preparation::new(options, &output.dir, progress, stop)?;
        preparation.choose_mixture()?;
        output.begin(&preparation.plan)?;
        preparation.write_shards(|_| true)?;
        finish(preparation.plan, options.strict, &output, &options.input)
    })();
    output.close(made)?;
    Summary::read(&options.output)
}

/// Prepares one part of a dataset into the output folder, which other parts may share; ends with
/// [`Error::Interrupted`] soon after `stop` becomes true. [`merge`](merge::merge()) makes the
/// dataset of all parts.
///
/// As with [`prepare`], the same call continues after a kill or a full disk.
///
/// # Errors
/// Those of [`prepare`]; [`Error::PartBusy`] where the same part is being prepared.
pub fn prepare_part(
    options: &PrepareOptions,
    part: Part,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<PartSummary> {
    options.check()?;
    let expected = "none for the demo, which is small and is drawn first";
    Error::check(options.source != Source::Demo, "part", expected, &part)?;
    let output = Output::open_part(&options.output, part)?;
    let made = (|| {
        let mut preparation = Preparation::new(options, &output.dir, progress, stop)?;
        preparation.choose_mixture()?;
        let all: Vec<String> = preparation.plan.shard_names().collect();
        let own: Vec<&String> =
            (0..).zip(&all).filter(|(i, _)| part.makes(*i)).map(|s| s.1).collect();
        output.begin_part(&preparation.plan, &own)?;
        preparation.write_shards(|shard| part.makes(shard))?;
        let (mut images, mut faults) = (0, Faults::default());
        for name in &own {
            let result = ShardResult::load(&output.dir, name).ok_or(Error::Worker)?;
            images += result.shard.records;
            result.report.iter().for_each(|line| faults.add(line));
        }
        faults.check(options.strict, images)?;
        let Faults { skipped, damaged, .. } = faults;
        Ok(PartSummary { shards: [own.len(), all.len()], images, skipped, damaged })
    })();
    output.close_part(made.is_ok());
    made
}
