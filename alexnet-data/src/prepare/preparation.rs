//! A running preparation: its plan, its images, and where and how the shards are made.

use super::options::PrepareOptions;
use super::report::Report;
use super::shard_plan::ShardPlan;
use super::source::listing::{ListedSplit, Scan};
use crate::error::{Error, Result};
use crate::parallel::thread_count;
use crate::progress::OnProgress;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A running preparation. Its steps are `choose_mixture` (in `budget.rs`) and `write_shards` (in
/// `workers.rs`).
pub(super) struct Preparation<'a> {
    pub(super) plan: ShardPlan,
    /// The images of each split of the plan.
    pub(super) splits: Vec<ListedSplit>,
    /// The folder in which shards are made.
    pub(super) dir: &'a Path,
    pub(super) threads: usize,
    pub(super) progress: OnProgress<'a>,
    pub(super) stop: &'a AtomicBool,
}

impl<'a> Preparation<'a> {
    /// Lists the input and plans its shards, which will be made in `dir`.
    pub(super) fn new(
        options: &PrepareOptions,
        dir: &'a Path,
        progress: OnProgress<'a>,
        stop: &'a AtomicBool,
    ) -> Result<Self> {
        let mut scan = Scan::new(progress, dir, stop);
        let list = options.source.format().list;
        let classes =
            list(&options.input, options.val.as_deref(), &mut scan).inspect_err(|error| {
                if matches!(error, Error::NoImages { .. }) {
                    // The caller gets the first error; a second one would hide it.
                    let _ = Report::of(dir, &scan.report);
                }
            })?;
        let plan = ShardPlan::new(options, classes, &scan);
        let threads = thread_count(options.threads);
        Ok(Self { plan, splits: scan.splits, dir, threads, progress, stop })
    }

    /// An error if the preparation should stop.
    pub(super) fn check_stop(&self) -> Result<()> {
        let stop = self.stop.load(Ordering::Relaxed);
        if stop { Err(Error::Interrupted(self.dir.into())) } else { Ok(()) }
    }
}
