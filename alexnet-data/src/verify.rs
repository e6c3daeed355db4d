//! Checks every byte of a dataset with all cores, and names each fault.

use crate::dataset::check_report;
use crate::record::RAW;
use crate::shard::{Expected, Shard};
use crate::{Error, Manifest, ShardInfo};
use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, in the dataset's folder.
    pub file: String,
    /// Where it is one record alone: the record's number in the file, in its split, and its class.
    pub record: Option<(usize, u64, String)>,
    /// What is wrong, on one line.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, record, problem } = self;
        match record {
            Some((n, image, class)) => {
                write!(
                    f,
                    "{file}: record {n} (image {image} of the split, class {class}): {problem}"
                )
            }
            None => write!(f, "{file}: {problem}"),
        }
    }
}

/// Checks lengths, headers, indices and the checksum of every record of the dataset in `dir`, and that
/// every JPEG record is a picture of the stored size; returns what is wrong, in the order of the files. `progress` gets records done and their number.
///
/// # Errors
/// As [`Dataset::open`](crate::Dataset::open) where the manifest itself cannot be read: nothing can
/// be compared then.
pub fn verify(dir: &Path, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Vec<Fault>, Error> {
    let manifest = Manifest::read(dir)?;
    let expected = Expected::of(&manifest);
    let total = manifest.splits.iter().map(|s| s.records).sum();
    let mut shards: Vec<(&ShardInfo, u64)> = Vec::new();
    for split in &manifest.splits {
        let mut first = 0;
        for shard in &split.shards {
            shards.push((shard, first));
            first += shard.records;
        }
    }
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let found = Mutex::new(Vec::new());
    let work = || {
        while let Some((info, first)) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
            let tell = |n| progress(done.fetch_add(n, Ordering::Relaxed) + n, total);
            let faults = check(dir, info, *first, expected, &manifest, &tell);
            found.lock().unwrap_or_else(|e| e.into_inner()).extend(faults);
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        (0..cores).for_each(|_| {
            scope.spawn(work);
        });
    });
    let mut faults = found.into_inner().unwrap_or_else(|e| e.into_inner());
    let place = |f: &Fault| shards.iter().position(|(s, _)| s.file == f.file);
    faults.sort_by_key(|f| (place(f), f.record.as_ref().map(|r| r.0)));
    if let Err(error) = check_report(dir, &manifest) {
        let file = manifest.report.file.clone();
        faults.push(Fault { file, record: None, problem: error.to_string() });
    }
    Ok(faults)
}

/// The faults of one shard.
fn check(
    dir: &Path,
    info: &ShardInfo,
    first: u64,
    expected: Expected,
    manifest: &Manifest,
    tell: &dyn Fn(u64),
) -> Vec<Fault> {
    let file = info.file.clone();
    let shard = match Shard::open(&dir.join(&file), info, expected) {
        Ok(shard) => shard,
        Err(error) => {
            tell(info.records);
            return vec![Fault { file, record: None, problem: error.to_string() }];
        }
    };
    let (mut faults, mut buffer) = (Vec::new(), Vec::new());
    for i in 0..shard.len() {
        let checked = shard.stored(i).and_then(|(entry, bytes)| match entry.encoding {
            RAW => Ok(()),
            _ => shard.decode(i, bytes, &mut buffer),
        });
        if let Err(error) = checked {
            // In range: `Shard::open` has compared every label with the number of classes.
            let class = manifest.classes[shard.entry(i).label as usize].name.clone();
            let record = Some((i, first + i as u64, class));
            faults.push(Fault { file: file.clone(), record, problem: error.to_string() });
        }
        tell(1);
    }
    faults
}
