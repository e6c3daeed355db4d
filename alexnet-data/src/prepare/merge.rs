//! Merges the parts that several machines have made to one dataset.

use super::finish::finish;
use super::output::{Output, part_of};
use super::part::Part;
use super::shard_plan::ShardPlan;
use super::shard_result::{ShardResult, path};
use super::source::names::names_in;
use super::summary::Summary;
use crate::atomic_file::AtomicFile;
use crate::error::{Error, Result, few};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Merges the parts in the folders `parts` and in `output` itself into the dataset that an
/// undivided run would have made, to the byte, in `output`.
///
/// Shards of other folders become hard links, or copies on another file system; those folders stay
/// as they are. Without `parts`, all shards must be in `output`. The same call continues after a
/// kill or a full disk. Under `strict`, unreadable or damaged images are an error.
///
/// # Errors
/// [`Error::NotAPart`], [`Error::OtherPart`] for parts that do not belong together,
/// [`Error::MissingShards`], which names the parts that are to be made, and those of
/// [`prepare`](super::prepare()) about the output.
pub fn merge(parts: &[PathBuf], output: &Path, strict: bool) -> Result<Summary> {
    if let Some(output) = Output::open(output, false)? {
        let merged = merge_into(&output, parts, strict);
        output.close_merge(merged)?;
    }
    Summary::read(output)
}

fn merge_into(output: &Output, parts: &[PathBuf], strict: bool) -> Result<()> {
    let own = &*output.dir;
    let mut dirs: Vec<&Path> = parts.iter().map(PathBuf::as_path).collect();
    if ShardPlan::read(own).is_some() || parts.is_empty() {
        dirs.insert(0, own);
    }
    let read = |dir: &Path| ShardPlan::read(dir).ok_or_else(|| Error::NotAPart(dir.into()));
    let plan = read(dirs[0])?;
    for dir in &dirs[1..] {
        if let Some(difference) = read(dir)?.difference(&plan) {
            let (path, first) = (dir.into(), dirs[0].into());
            return Err(Error::OtherPart { path, first, difference });
        }
    }
    // All shards are looked for before anything is written.
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (number, name) in plan.shard_names().enumerate() {
        match dirs.iter().find(|dir| ShardResult::load(dir, &name).is_some()) {
            Some(dir) => found.push((*dir, name)),
            None => missing.push((number, name)),
        }
    }
    if !missing.is_empty() {
        let shards = found.len() + missing.len();
        return Err(missing_shards(own, &dirs, &missing, shards));
    }
    output.begin(&plan)?;
    for (dir, name) in found.iter().filter(|(dir, _)| *dir != own) {
        link_or_copy(&dir.join(name), &own.join(name))?;
        link_or_copy(&path(dir, name), &path(own, name))?; // after its shard, as when it was made
    }
    finish(plan, strict, output, own)
}

/// The error that names the missing shards and, where the folders agree on the number of parts, the
/// parts that make them.
fn missing_shards(
    path: &Path,
    dirs: &[&Path],
    missing: &[(usize, String)],
    shards: usize,
) -> Error {
    let numbers_of_parts: BTreeSet<usize> = dirs
        .iter()
        .flat_map(|dir| names_in(dir).unwrap_or_default())
        .filter_map(|name| part_of(&name.to_string_lossy()))
        .map(|part| part.of)
        .collect();
    let advice = match (numbers_of_parts.first(), numbers_of_parts.len()) {
        (Some(&of), 1) => {
            let parts: BTreeSet<_> = missing.iter().map(|(n, _)| Part::of_shard(*n, of)).collect();
            let parts: Vec<_> = parts.iter().map(|part| format!("`--part {part}`")).collect();
            few(&parts)
        }
        _ => "`--part`, or the same command without it into this folder".into(),
    };
    let names = few(&missing.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>());
    Error::MissingShards { path: path.into(), missing: missing.len(), shards, names, advice }
}

/// Puts a finished file into the output, as a hard link or, on another file system, as a copy.
fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    let _ = fs::remove_file(to); // an interrupted merge may have left it
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let mut file = AtomicFile::create(to)?;
    let mut source = File::open(from).map_err(Error::io("open", from))?;
    std::io::copy(&mut source, file.file()).map_err(Error::io("copy", from))?;
    file.commit()
}
