//! Makes the damaged shards of a dataset again, and no others.

use super::options::PrepareOptions;
use super::output::take_lock;
use super::preparation::Preparation;
use super::shard_result::ShardResult;
use super::source::Source;
use crate::atomic_file::check_replaceable;
use crate::error::{Error, Result};
use crate::manifest::{FILE, Manifest, ShardInfo};
use crate::progress::Progress;
use crate::verify::verify;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// The folder in which shards are made, before they are compared with those of the manifest.
const SCRATCH: &str = ".repair";

/// Makes those shards of the dataset in `dir` again in which [`verify`] finds a fault,
/// from the `input` (and the `val` tree) that it was prepared from. Returns their names.
///
/// A shard replaces the damaged one only when it is the very one that the manifest names. No one
/// may have the dataset open meanwhile.
///
/// # Errors
/// [`Error::Source`] where the input is not what the dataset was made of, those of
/// [`prepare`](super::prepare()), and those of [`verify`]: where the system refuses to read a shard
/// nothing is made, because the shard may be whole. [`Error::Io`] for a link or a device in the
/// place of a damaged shard, which is not replaced.
pub fn repair(
    dir: &Path,
    input: &Path,
    val: Option<&Path>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<String>> {
    let faults = verify(dir, &|_, _| ())?;
    let manifest = Manifest::read(dir)?;
    let Some(source) = Source::ALL.into_iter().find(|s| s.name() == manifest.source) else {
        let (what, expected) = ("the source", "one of this program's");
        return Err(Error::damaged(dir.join(FILE), what, expected, &manifest.source));
    };
    let options = PrepareOptions {
        val: val.map(Into::into),
        size: manifest.height,
        shard_records: manifest.shard_images,
        resample: manifest.resample,
        crop: manifest.crop,
        exif: manifest.exif,
        max_pixels: manifest.max_pixels,
        ..PrepareOptions::new(source, input, dir)
    };
    let (scratch, stop) = (dir.join(SCRATCH), AtomicBool::new(false));
    let mut preparation = Preparation::new(&options, &scratch, progress, &stop)?;
    preparation.plan.encoding = manifest.encoding;
    let plan = &preparation.plan;
    let shards: Vec<_> = manifest.splits.iter().map(|split| split.shards.len()).collect();
    let planned: Vec<_> = plan.splits.iter().map(|split| plan.shards(split)).collect();
    if plan.classes != manifest.classes || shards != planned {
        let problem = "is not the input this dataset was made of: \
                       it has other classes or another number of images";
        return Err(Error::source(input, problem));
    }
    let lock = take_lock(dir)?;
    fs::create_dir_all(&scratch).map_err(Error::io("create", &scratch))?;
    let damaged = |info: &ShardInfo| faults.iter().any(|fault| fault.file == info.file);
    let mut repaired = Vec::new();
    let result = manifest.splits.iter().enumerate().try_for_each(|(split, split_info)| {
        let images = plan.splits[split].images as u64;
        let shards = split_info.shards.iter().enumerate();
        shards.filter(|(_, info)| damaged(info)).try_for_each(|(shard, info)| {
            let to = dir.join(&info.file);
            check_replaceable(&to)?;
            preparation.write_split(split, &[shard], 0, images)?;
            let made = ShardResult::load(&scratch, &info.file);
            if made.is_none_or(|made| made.shard != *info) {
                let problem = format!("gives another {}: it has changed since", info.file);
                return Err(Error::source(input, problem));
            }
            fs::rename(scratch.join(&info.file), &to).map_err(Error::io("replace", to))?;
            repaired.push(info.file.clone());
            Ok(())
        })
    });
    let _ = fs::remove_dir_all(&scratch);
    lock.remove();
    result.map(|()| repaired)
}
