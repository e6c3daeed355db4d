//! Checks every byte of a dataset, with all cores, and lists the faults.

use crate::dataset::check_report;
use crate::error::{Error, Result};
use crate::manifest::{FILE, Manifest, ShardInfo};
use crate::parallel::{for_each, thread_count};
use crate::record::RAW;
use crate::shard::Shard;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// One fault of a dataset: a file or a record that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The name of the file in the dataset's folder.
    pub file: String,
    /// For a fault of one record: its number in the file, its number in the split, and its class.
    pub record: Option<(usize, u64, String)>,
    /// What is wrong, on one line.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, record, problem } = self;
        match record {
            Some((n, i, class)) => {
                write!(f, "{file}: record {n} (image {i} of the split, class {class}): {problem}")
            }
            None => write!(f, "{file}: {problem}"),
        }
    }
}

/// Checks the lengths, headers, indices and all records of the dataset in `dir`: their checksums,
/// and that every JPEG record is an image of the stored size. Returns the faults in the order of
/// the files. `progress` gets the number of records checked and that of all records.
///
/// # Errors
/// Those of [`Dataset::open`](crate::Dataset::open) about the manifest, without which nothing can
/// be compared. An error for which [`Error::is_refusal`] holds, where the system does not let a
/// file be read: then it is not known whether the file is damaged.
pub fn verify(dir: &Path, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Vec<Fault>> {
    let manifest = Manifest::read(dir)?;
    let total = manifest.splits.iter().map(|s| s.records).sum();
    let mut shards: Vec<(&ShardInfo, u64)> = Vec::new();
    for split in &manifest.splits {
        let mut first = 0;
        for shard in &split.shards {
            shards.push((shard, first));
            first += shard.records;
        }
    }
    let (done, found) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let check = |_: &mut (), &(info, first): &(&ShardInfo, u64)| {
        let report = |n| progress(done.fetch_add(n, Ordering::Relaxed) + n, total);
        let faults = check_shard(dir, info, first, &manifest, &report)?;
        found.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
        Ok(())
    };
    for_each(thread_count(0), &shards, || (), check)?;
    let mut faults = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let place = |f: &Fault| shards.iter().position(|(s, _)| s.file == f.file);
    faults.sort_by_key(|f| (place(f), f.record.as_ref().map(|r| r.0)));
    if let Err(error) = check_report(dir, &manifest) {
        faults.push(fault(dir, &manifest.report.file, error)?);
    }
    Ok(faults)
}

/// The fault of a whole file that `error` proves; or the error, where it proves none.
fn fault(dir: &Path, file: &str, error: Error) -> Result<Fault> {
    // A file that seems to be missing is not, where the whole folder has gone with its disk.
    let gone = matches!(error, Error::Io { .. }) && !dir.join(FILE).exists();
    if gone || error.is_refusal() {
        return Err(error);
    }
    Ok(Fault { file: file.into(), record: None, problem: error.to_string() })
}

/// The faults of one shard, whose first record is number `first` of its split; `report` gets the
/// number of records that were checked since its last call.
fn check_shard(
    dir: &Path,
    info: &ShardInfo,
    first: u64,
    manifest: &Manifest,
    report: &dyn Fn(u64),
) -> Result<Vec<Fault>> {
    let file = info.file.clone();
    let (size, classes) = ([manifest.height, manifest.width], manifest.classes.len());
    let shard = match Shard::open(&dir.join(&file), info, size, classes) {
        Ok(shard) => shard,
        Err(error) => {
            report(info.records);
            return Ok(vec![fault(dir, &file, error)?]);
        }
    };
    let (mut faults, mut buffer) = (Vec::new(), Vec::new());
    for (i, entry) in shard.entries().iter().enumerate() {
        let checked = shard.with_record(i, |entry, bytes| match entry.encoding {
            RAW => Ok(()), // its bytes were compared
            _ => shard.decode(i, bytes, &mut buffer),
        });
        if let Err(error) = checked {
            if matches!(error, Error::UnreadableRecord { .. }) {
                report((shard.entries().len() - i) as u64); // the others are no better
                faults.push(fault(dir, &file, error)?);
                break;
            }
            // In range, because `Shard::open` has compared every label with the number of classes.
            let class = manifest.classes[entry.label as usize].name.clone();
            let record = Some((i, first + i as u64, class));
            faults.push(Fault { file: file.clone(), record, problem: error.to_string() });
        }
        report(1);
    }
    Ok(faults)
}
