//! Makes the damaged shards of a dataset again, and no others.

use super::job::{JobFile, SHARD_BYTES};
use super::options::threads;
use super::output::{LOCK, lock};
use super::piece::{Piece, path};
use super::source::list;
use super::split::{Work, write_split};
use super::{PrepareOptions, Progress, Source};
use crate::{Error, Manifest, ShardInfo, verify};
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Where shards are made before they are known to be those that were there.
const SCRATCH: &str = ".repair";

/// Makes those shards of the dataset in `dir` again that [`verify`] finds fault with, from the
/// `input` (and the `val` tree) it was prepared from; returns their names.
///
/// A shard takes its place only when it is the very one that the manifest names. No one may have
/// the dataset open meanwhile.
///
/// # Errors
/// [`Error::Source`] where the input is not what the dataset was made of, those of
/// [`prepare`](super::prepare()), and those of [`verify`].
pub fn repair(
    dir: &Path,
    input: &Path,
    val: Option<&Path>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<String>, Error> {
    let faults = verify(dir, &|_, _| ())?;
    let manifest = Manifest::read(dir)?;
    let source = Source::ALL.into_iter().find(|s| s.name() == manifest.source);
    let Some(source) = source else {
        let path = dir.join(crate::manifest::FILE);
        return Err(Error::damaged(path, "the source", "one of this program's", &manifest.source));
    };
    let options = PrepareOptions {
        val: val.map(Into::into),
        size: manifest.height,
        exif: manifest.exif,
        ..PrepareOptions::new(source, input, dir)
    };
    let record = manifest.height * manifest.width * 3;
    let shard_records = manifest.shard_images.unwrap_or(SHARD_BYTES / record).max(1);
    let listing = list(&options, progress)?;
    let mut job = JobFile::new(&options, shard_records, &listing);
    job.encoding = manifest.encoding;
    let other = |problem: String| Error::Source { path: input.into(), problem };
    let shards: Vec<_> = manifest.splits.iter().map(|s| s.shards.len()).collect();
    let listed: Vec<_> = job.splits.iter().map(|plan| job.shards(plan)).collect();
    if listing.classes != manifest.classes || shards != listed {
        return Err(other("is not the input this dataset was made of: it has other classes or another number of images".into()));
    }
    let _lock = lock(dir)?;
    let scratch = dir.join(SCRATCH);
    fs::create_dir_all(&scratch).map_err(Error::io("create", &scratch))?;
    let mut done = Vec::new();
    let mut result = Ok(());
    for ((plan, (stage, images)), split) in
        job.splits.iter().zip(&listing.splits).zip(&manifest.splits)
    {
        let bad = |info: &ShardInfo| faults.iter().any(|f| f.file == info.file);
        for (shard, info) in split.shards.iter().enumerate().filter(|(_, info)| bad(info)) {
            let work = Work {
                job: &job,
                plan,
                stage: *stage,
                images: &**images,
                threads: threads(0),
                total: plan.images as u64,
                before: 0,
                dir: &scratch,
                progress,
                stop: &AtomicBool::new(false),
            };
            let made = write_split(&work, &[shard]).and_then(|()| {
                let piece = Piece::load(&scratch, &info.file);
                if piece.is_none_or(|piece| piece.facts.shard != *info) {
                    let name = &info.file;
                    return Err(other(format!("gives another {name}: it has changed since")));
                }
                let (from, to) = (scratch.join(&info.file), dir.join(&info.file));
                fs::rename(from, &to).map_err(Error::io("replace", to))
            });
            let _ = fs::remove_file(path(&scratch, &info.file));
            match made {
                Ok(()) => done.push(info.file.clone()),
                Err(error) => {
                    let _ = fs::remove_file(scratch.join(&info.file));
                    result = Err(error);
                    break;
                }
            }
        }
        if result.is_err() {
            break;
        }
    }
    let _ = fs::remove_dir(&scratch);
    let _ = fs::remove_file(dir.join(LOCK));
    result.map(|()| done)
}
