//! One part of a preparation, for one of several machines, and the joining of all parts.
//!
//! The shards of all splits are dealt out like cards: part p of n makes shards p − 1, p − 1 + n, …
//! Each is the shard that an undivided run would make, and what it adds to the statistics is a sum
//! of integers beside it; so joined parts are the very dataset of an undivided run.

use super::finish::{finish, summary};
use super::job::JobFile;
use super::output::{Opened, Output, part_of};
use super::piece::{self, Piece};
use super::report::Action;
use super::{PrepareOptions, Progress, Source, Summary, begin, check, write_shards};
use crate::whole::WholeFile;
use crate::{Error, Manifest};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::AtomicBool;

/// How many missing shards or parts an error names.
const NAMED: usize = 8;

/// One part of several, counted from 1: `3/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    number: usize,
    of: usize,
}

/// What a part has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSummary {
    /// Its shards, and those of all parts.
    pub shards: [usize; 2],
    /// Images in its shards.
    pub images: u64,
    /// Images that could not be read.
    pub skipped: u64,
    /// Images with a fault the decoder got through.
    pub damaged: u64,
}

impl Part {
    /// Part `number` of `of`, from 1.
    ///
    /// # Errors
    /// [`Error::Setting`] for a number that is not among 1 to `of`.
    pub fn new(number: usize, of: usize) -> Result<Self, Error> {
        if (1..=of).contains(&number) {
            return Ok(Self { number, of });
        }
        let expected = "a part and their number, from 1/1, as 3/16";
        Err(Error::Setting { name: "part", expected, got: format!("{number}/{of}") })
    }

    /// The part that makes shard number `shard` of all.
    pub(super) fn of_shard(shard: usize, of: usize) -> Self {
        Self { number: shard % of + 1, of }
    }

    /// How many parts there are.
    pub(super) fn of(self) -> usize {
        self.of
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.split_once('/').and_then(|(number, of)| {
            // Digits alone: `parse` would take a sign too.
            let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
            let whole = digits(number) && digits(of);
            whole.then(|| Some((number.parse().ok()?, of.parse().ok()?))).flatten()
        });
        let (number, of) = parsed.ok_or_else(|| Error::Setting {
            name: "part",
            expected: "a part and their number, from 1/1, as 3/16",
            got: text.into(),
        })?;
        Self::new(number, of)
    }
}

/// Prepares one part of a dataset into the output folder, which other parts may share or not; ends
/// with [`Error::Interrupted`] soon after `stop` becomes true. [`merge`] makes the dataset of all parts.
///
/// As with [`prepare`](super::prepare()), the same call goes on after any accident.
///
/// # Errors
/// Those of [`prepare`](super::prepare()); [`Error::PartBusy`] where the same part is under way.
pub fn prepare_part(
    options: &PrepareOptions,
    part: Part,
    progress: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<PartSummary, Error> {
    check(options)?;
    if options.source == Source::Demo {
        let expected = "none for the demo, which is small and is drawn first";
        return Err(Error::Setting { name: "part", expected, got: part.to_string() });
    }
    let output = Output::open_part(&options.output, part)?;
    let made = (|| {
        let (listing, job) = begin(options, output.dir(), progress, stop)?;
        let all: Vec<String> = job.shard_names().collect();
        let mine = |shard: usize| Part::of_shard(shard, part.of) == part;
        let names: Vec<&String> =
            all.iter().enumerate().filter(|(i, _)| mine(*i)).map(|(_, name)| name).collect();
        output.begin_part(&job, &names)?;
        write_shards(options, &job, &listing, &mine, output.dir(), progress, stop)?;
        let mut summary =
            PartSummary { shards: [names.len(), all.len()], images: 0, skipped: 0, damaged: 0 };
        let mut faults = Vec::new();
        for name in names {
            let piece = Piece::load(output.dir(), name).ok_or(Error::Worker)?;
            summary.images += piece.facts.shard.records;
            summary.skipped += piece.facts.skipped;
            for odd in piece.facts.odd.iter().filter(|odd| odd.action != Action::Noted) {
                summary.damaged += u64::from(odd.action == Action::Damaged);
                faults.push(format!("{}: {}", odd.path, odd.reason));
            }
        }
        if options.strict && !faults.is_empty() {
            let (count, images) = (faults.len() as u64, summary.images + summary.skipped);
            faults.truncate(3);
            return Err(Error::Strict { count, images, first: faults.join("; ") });
        }
        Ok(summary)
    })();
    if made.is_err() {
        output.after_part();
    }
    made
}

/// Joins the parts in the folders `parts` and in `output` itself to the dataset that an undivided
/// run would have made, to the byte, in `output`.
///
/// Shards come from other folders as hard links, or as copies where the file system has none; these
/// folders stay as they are. With no `parts`, all shards lie in `output`. The same call goes on after
/// any accident. Under `strict`, images that are not as they should be are an error.
///
/// # Errors
/// [`Error::NotAPart`], [`Error::OtherPart`] for parts that do not belong together,
/// [`Error::MissingShards`], which says which parts are to be made, and those of
/// [`prepare`](super::prepare()) about the output.
pub fn merge(parts: &[PathBuf], output: &Path, strict: bool) -> Result<Summary, Error> {
    let output = match Output::open(output, false)? {
        Opened::Ready(output) => output,
        Opened::Finished(output) => {
            let manifest = Manifest::read(output.dir())?;
            output.tidy()?;
            return summary(output.dir(), &manifest);
        }
    };
    match join(parts, &output, strict) {
        Ok(manifest) => {
            output.tidy()?;
            summary(output.dir(), &manifest)
        }
        Err(error) => {
            output.after_merge(&error);
            Err(error)
        }
    }
}

fn join(parts: &[PathBuf], output: &Output, strict: bool) -> Result<Manifest, Error> {
    let own = output.dir();
    let mut dirs: Vec<&Path> = parts.iter().map(PathBuf::as_path).collect();
    if JobFile::read(own).is_some() || parts.is_empty() {
        dirs.insert(0, own);
    }
    let mut job: Option<(&Path, JobFile)> = None;
    for dir in &dirs {
        let other = JobFile::read(dir).ok_or_else(|| Error::NotAPart { path: dir.into() })?;
        match &job {
            None => job = Some((dir, other)),
            Some((first, job)) => {
                if let Some(difference) = other.difference(job) {
                    let (path, first) = (dir.into(), first.into());
                    return Err(Error::OtherPart { path, first, difference });
                }
            }
        }
    }
    let Some((_, job)) = job else { return Err(Error::NotAPart { path: own.into() }) };
    // All is looked for before anything is written.
    let (mut found, mut missing, mut shards) = (Vec::new(), Vec::new(), 0);
    for (number, name) in job.shard_names().enumerate() {
        shards += 1;
        match dirs.iter().find(|dir| Piece::load(dir, &name).is_some()) {
            Some(dir) => found.push((*dir, name)),
            None => missing.push((number, name)),
        }
    }
    if !missing.is_empty() {
        return Err(missing_shards(own, &dirs, &missing, shards));
    }
    output.begin(&job)?;
    for (dir, name) in found.iter().filter(|(dir, _)| *dir != own) {
        bring(&dir.join(name), &own.join(name))?;
        bring(&piece::path(dir, name), &piece::path(own, name))?; // last, as when it was made
    }
    finish(&job, strict, output)
}

/// Names the shards, and the parts to make them with, where the folders tell how many parts there are.
fn missing_shards(
    path: &Path,
    dirs: &[&Path],
    missing: &[(usize, String)],
    shards: usize,
) -> Error {
    let list = |names: Vec<String>| {
        let more = if names.len() > NAMED { ", …" } else { "" };
        names[..names.len().min(NAMED)].join(", ") + more
    };
    let seen: BTreeSet<usize> = dirs
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .filter_map(|entry| part_of(&entry.ok()?.file_name().to_string_lossy()))
        .map(Part::of)
        .collect();
    let advice = match (seen.first(), seen.len()) {
        (Some(&of), 1) => {
            let parts: BTreeSet<_> = missing.iter().map(|(n, _)| Part::of_shard(*n, of)).collect();
            list(parts.iter().map(|part| format!("`--part {part}`")).collect())
        }
        _ => "`--part`, or the same command without it into this folder".into(),
    };
    let names = list(missing.iter().map(|(_, name)| name.clone()).collect());
    Error::MissingShards { path: path.into(), missing: missing.len(), shards, names, advice }
}

/// Puts a whole file into the output: as a second name for it, or as a copy.
fn bring(from: &Path, to: &Path) -> Result<(), Error> {
    match fs::remove_file(to) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("replace", to)(e));
        }
        _ => {}
    }
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let mut file = WholeFile::create(to)?;
    let mut source = File::open(from).map_err(Error::io("open", from))?;
    std::io::copy(&mut source, file.file()).map_err(Error::io("copy", from))?;
    file.commit()
}
