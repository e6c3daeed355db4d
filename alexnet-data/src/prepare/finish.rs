//! The last step: the pieces of all shards become report, statistics and manifest.

use super::job::JobFile;
use super::output::Output;
use super::piece::Piece;
use super::report::{Report, count};
use super::{REPORT, Summary};
use crate::header::VERSION;
use crate::statistics::Sums;
use crate::{Error, Manifest, SplitInfo};
use std::path::Path;

/// Joins the pieces; every shard has one. Only one is in memory at a time.
pub(super) fn finish(job: &JobFile, strict: bool, output: &Output) -> Result<Manifest, Error> {
    let mut report = Report::create(output.dir())?;
    job.odd.iter().try_for_each(|odd| report.add(odd))?;
    let mut sums = Sums::new(job.size * job.size * 3);
    let mut splits = Vec::new();
    for plan in &job.splits {
        let mut split = SplitInfo {
            name: plan.name.clone(),
            order: plan.order,
            records: 0,
            skipped: 0,
            images_per_class: vec![0; job.classes.len()],
            shards: Vec::new(),
        };
        for name in (0..job.shards(plan)).map(|s| plan.shard(s)) {
            let missing = || Error::Unfinished { path: output.dir().into() };
            let Piece { facts, sums: part } =
                Piece::load(output.dir(), &name).ok_or_else(missing)?;
            if facts.counts.len() != job.classes.len() {
                return Err(missing());
            }
            facts.odd.iter().try_for_each(|odd| report.add(odd))?;
            part.iter().for_each(|part| sums.merge(part));
            split.records += facts.shard.records;
            split.skipped += facts.skipped;
            split.images_per_class.iter_mut().zip(&facts.counts).for_each(|(a, b)| *a += b);
            split.shards.push(facts.shard);
        }
        splits.push(split);
    }
    let images: u64 = splits.iter().map(|s| s.records).sum();
    if strict && !report.faults().is_empty() {
        let (count, first) = (report.skipped + report.damaged, report.faults().join("; "));
        return Err(Error::Strict { count, images: images + report.skipped, first });
    }
    let statistics = sums.finish().ok_or(Error::NoImages)?;
    let manifest = Manifest {
        version: VERSION,
        source: job.source.clone(),
        height: job.size,
        width: job.size,
        order_seed: job.order_seed,
        shard_images: Some(job.shard_records),
        exif: job.exif,
        encoding: job.encoding,
        ignored: job.ignored,
        classes: job.classes.clone(),
        splits,
        report: report.finish()?,
        statistics,
    };
    // Last: a folder with a manifest is a finished dataset.
    manifest.write(output.dir())?;
    Ok(manifest)
}

/// What to say of a finished dataset.
pub(super) fn summary(dir: &Path, manifest: &Manifest) -> Result<Summary, Error> {
    let (skipped, damaged) = count(dir)?;
    Ok(Summary {
        images: manifest.splits.iter().map(|s| s.records).sum(),
        classes: manifest.classes.len(),
        skipped,
        damaged,
        ignored: manifest.ignored,
        report: dir.join(REPORT),
        splits: manifest.splits.iter().map(|s| (s.name.clone(), s.records)).collect(),
    })
}
