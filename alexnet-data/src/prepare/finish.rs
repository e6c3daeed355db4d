//! The last step: the results of all shards become report, statistics and manifest.

use super::output::Output;
use super::report::Report;
use super::shard_plan::ShardPlan;
use super::shard_result::ShardResult;
use crate::error::{Error, Result, few};
use crate::header::VERSION;
use crate::manifest::{Class, Manifest, SplitInfo};
use crate::statistics::Sums;
use std::path::Path;

/// Finishes the dataset in `output`, which has every shard of the plan. `input` is named where no
/// image of it could be read. Only one shard's result is in memory at a time.
pub(super) fn finish(plan: ShardPlan, strict: bool, output: &Output, input: &Path) -> Result<()> {
    let dir = &output.dir;
    let mut report = Report::create(dir)?;
    plan.report.iter().try_for_each(|line| report.add(line))?;
    let mut sums = Sums::new(plan.size * plan.size * 3);
    let mut splits = Vec::new();
    for split_plan in &plan.splits {
        let mut split = SplitInfo {
            name: split_plan.name.clone(),
            order: split_plan.order,
            records: 0,
            skipped: 0,
            images_per_class: vec![0; plan.classes.len()],
            shards: Vec::new(),
        };
        for shard in 0..plan.shards(split_plan) {
            let result = ShardResult::load(dir, &split_plan.shard(shard))
                .filter(|result| result.images_per_class.len() == plan.classes.len())
                .ok_or_else(|| Error::Unfinished(dir.into()))?;
            result.report.iter().try_for_each(|line| report.add(line))?;
            result.sums.iter().for_each(|shard_sums| sums.merge(shard_sums));
            split.records += result.shard.records;
            split.skipped += result.skipped;
            let counts = split.images_per_class.iter_mut().zip(&result.images_per_class);
            counts.for_each(|(sum, n)| *sum += n);
            split.shards.push(result.shard);
        }
        splits.push(split);
    }
    let Some(statistics) = sums.finish() else {
        let error = report.faults.no_images(input, "no image of the train split could be read");
        report.finish(dir)?;
        return Err(error);
    };
    report.faults.check(strict, splits.iter().map(|split| split.records).sum())?;
    check_classes(strict, &plan.classes, &splits)?;
    let manifest = Manifest {
        version: VERSION,
        source: plan.source,
        height: plan.size,
        width: plan.size,
        order_seed: plan.order_seed,
        shard_images: Some(plan.shard_records),
        resample: plan.resample,
        crop: plan.crop,
        exif: plan.exif,
        max_pixels: plan.max_pixels,
        encoding: plan.encoding,
        ignored: plan.ignored,
        classes: plan.classes,
        splits,
        statistics,
        report: report.finish(dir)?,
    };
    // Written last, because a folder with a manifest is a finished dataset.
    manifest.write(dir)
}

/// Under `strict`, every class must have an image to train on.
fn check_classes(strict: bool, classes: &[Class], splits: &[SplitInfo]) -> Result<()> {
    let empty = splits.first().map(|train| classes_without_images(classes, train));
    match empty.unwrap_or_default() {
        empty if strict && !empty.is_empty() => {
            let what = format!("classes without a train image: {}", few(&empty));
            Err(Error::Incomplete { what })
        }
        _ => Ok(()),
    }
}

/// The names of the classes of which a split has no image.
pub(super) fn classes_without_images(classes: &[Class], split: &SplitInfo) -> Vec<String> {
    let counts = classes.iter().zip(&split.images_per_class);
    counts.filter(|(_, images)| **images == 0).map(|(class, _)| class.name.clone()).collect()
}
