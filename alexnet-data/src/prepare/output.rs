//! The output folder of a preparation: who may write, what is left of an earlier run, what stays.
//!
//! Whoever makes or joins a whole dataset holds the folder's lock alone; parts share it, and each
//! holds a lock of its own besides.

use super::Part;
use super::job::{JOB, JobFile};
use crate::Error;
use crate::manifest::FILE;
use same_file::Handle;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file whose lock says that someone is at work.
pub(super) const LOCK: &str = ".prepare.lock";
/// The names of the splits, with which the names of shards start.
const SPLITS: [&str; 3] = ["train-", "val-", "test-"];

/// A folder being filled, by this process alone.
pub(super) struct Output {
    dir: PathBuf,
    /// The folders that had to be made, outermost first.
    made: Vec<PathBuf>,
    /// Whether an earlier run has left work here.
    resumed: bool,
    renew: bool,
    /// Held as long as this lives; the system lets go of it even after a kill.
    lock: File,
    /// That of a part, and its file's name.
    own: Option<(File, String)>,
}

/// What a folder turned out to be.
pub(super) enum Opened {
    /// New, empty, or with the beginning of a preparation in it.
    Ready(Output),
    /// A finished dataset with what its preparation had no time to remove.
    Finished(Output),
}

impl Output {
    /// Takes the folder, made if need be. Where `renew` allows it, the leavings of another
    /// preparation are removed: nothing without a manifest is a dataset, but it may have taken a day.
    pub(super) fn open(dir: &Path, renew: bool) -> Result<Opened, Error> {
        // Before anything is written: the dataset may lie in a folder that no one may write to.
        if dir.join(FILE).exists() && !entries(dir)?.iter().any(|name| is_state(name)) {
            return Err(Error::AlreadyPrepared { path: dir.into() });
        }
        if dir.exists() {
            refuse_others(dir)?;
        }
        let missing = |d: &&Path| !d.as_os_str().is_empty() && !d.exists();
        let mut made: Vec<_> = dir.ancestors().take_while(missing).map(PathBuf::from).collect();
        made.reverse();
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let lock = lock(dir)?;
        let names = entries(dir)?;
        let has = |test: fn(&str) -> bool| names.iter().any(|name| test(name));
        let resumed = has(|name| name == JOB);
        let output = Self { dir: dir.into(), made, resumed, renew, lock, own: None };
        if has(|name| name == FILE) {
            return Ok(Opened::Finished(output));
        }
        if has(is_shard) && !resumed && !renew {
            // Without its job no one knows what the shards hold.
            output.unlock();
            return Err(Error::Unfinished { path: dir.into() });
        }
        output.remove(|name| name.ends_with(".partial"))?;
        Ok(Opened::Ready(output))
    }

    /// Takes the folder for one part, beside others that may be under way in it.
    pub(super) fn open_part(dir: &Path, part: Part) -> Result<Self, Error> {
        if dir.join(FILE).exists() {
            return Err(Error::AlreadyPrepared { path: dir.into() });
        }
        if dir.exists() {
            refuse_others(dir)?;
        }
        let missing = |d: &&Path| !d.as_os_str().is_empty() && !d.exists();
        let mut made: Vec<_> = dir.ancestors().take_while(missing).map(PathBuf::from).collect();
        made.reverse();
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let busy = || Error::Busy { path: dir.into() };
        let lock = take(&dir.join(LOCK), File::try_lock_shared)?.ok_or_else(busy)?;
        let name = part_name(part);
        let busy = || Error::PartBusy { path: dir.into(), part: part.to_string() };
        let own = take(&dir.join(&name), File::try_lock)?.ok_or_else(busy)?;
        let shards = entries(dir)?.iter().any(|name| is_shard(name));
        // Asked after the shards were listed: a part that began meanwhile wrote the job first.
        let resumed = dir.join(JOB).exists();
        if shards && !resumed {
            return Err(Error::Unfinished { path: dir.into() });
        }
        let (dir, own) = (dir.into(), Some((own, name)));
        Ok(Self { dir, made, resumed, renew: false, lock, own })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Notes what is to be made here; refuses where something else is half made already.
    pub(super) fn begin(&self, job: &JobFile) -> Result<(), Error> {
        if let Some(difference) = JobFile::read(&self.dir).map(|begun| job.difference(&begun)) {
            let Some(difference) = difference else { return Ok(()) };
            if !self.renew {
                return Err(Error::OtherPreparation { path: self.dir.clone(), difference });
            }
        }
        self.remove(|name| name != LOCK)?;
        job.write(&self.dir)
    }

    /// As `begin`, beside other parts: one of them may be writing the same. What an earlier run of this
    /// part had under way is removed; `shards` are those of this part.
    pub(super) fn begin_part(&self, job: &JobFile, shards: &[&String]) -> Result<(), Error> {
        job.write_new(&self.dir)?;
        let path = || self.dir.clone();
        let begun = JobFile::read(&self.dir).ok_or_else(|| Error::Unfinished { path: path() })?;
        if let Some(difference) = job.difference(&begun) {
            return Err(Error::OtherPreparation { path: path(), difference });
        }
        let own = |name: &str| {
            let name = name.trim_start_matches('.');
            let shard = name.find(".shard").map(|end| &name[..end + ".shard".len()]);
            name.ends_with(".partial") && shards.iter().any(|s| shard == Some(s.as_str()))
        };
        self.remove(own)
    }

    /// A part has failed: what is whole stays. Where nothing has been begun, nothing is left.
    pub(super) fn after_part(&self) {
        if self.dir.join(JOB).exists() {
            return;
        }
        if let Some((_, name)) = &self.own {
            let _ = fs::remove_file(self.dir.join(name));
        }
        // Only where no other part holds the lock.
        let alone = self.lock.unlock().and_then(|()| Ok(self.lock.try_lock()?));
        if alone.is_ok() {
            self.unlock();
            self.made.iter().rev().for_each(|dir| _ = fs::remove_dir(dir));
        }
    }

    /// Joining has failed: the parts stay, whatever the error.
    pub(super) fn after_merge(&self, error: &Error) {
        if self.dir.join(JOB).exists() { self.unlock() } else { self.after(error) }
    }

    /// The preparation has succeeded: only the dataset stays.
    pub(super) fn tidy(&self) -> Result<(), Error> {
        self.remove(|name| is_state(name) && name != LOCK && name != JOB)?;
        // These two last: a run that finds them knows that this was not finished.
        self.remove(|name| name == JOB)?;
        self.unlock();
        Ok(())
    }

    /// The preparation has failed. Whole shards stay for the next run, unless that would meet the
    /// same error; an error is on its way to the caller already, a second one has nowhere to go.
    pub(super) fn after(&self, error: &Error) {
        let accident =
            matches!(error, Error::Io { .. } | Error::Interrupted { .. } | Error::Worker);
        let useless = matches!(error, Error::Strict { .. });
        let begun = entries(&self.dir).is_ok_and(|e| e.iter().any(|name| name.ends_with(".done")));
        if !useless && (self.resumed || accident && begun) {
            self.unlock();
            return;
        }
        let _ = self.remove(|name| name != LOCK);
        self.unlock();
        for dir in self.made.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }

    /// Removes those of a preparation's files that `which` names.
    fn remove(&self, which: impl Fn(&str) -> bool) -> Result<(), Error> {
        for name in entries(&self.dir)?.iter().filter(|name| is_ours(name) && which(name)) {
            let path = self.dir.join(name);
            fs::remove_file(&path).map_err(Error::io("remove", path))?;
        }
        Ok(())
    }

    /// Removes the lock's file; the lock itself goes with `self`.
    fn unlock(&self) {
        let _ = fs::remove_file(self.dir.join(LOCK));
    }
}

/// Takes the lock of the folder, or says that another process has it.
pub(super) fn lock(dir: &Path) -> Result<File, Error> {
    take(&dir.join(LOCK), File::try_lock)?.ok_or_else(|| Error::Busy { path: dir.into() })
}

/// Locks the file `path`, made if need be; `None` where another process has a lock against it.
fn take(path: &Path, lock: fn(&File) -> Result<(), TryLockError>) -> Result<Option<File>, Error> {
    loop {
        // For reading too: over a network, a shared lock wants it.
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(Error::io("create", path))?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: there, two runs at once are the user's to avoid.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {
                return Ok(Some(file));
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", path)(e)),
        }
        // The holder before may have removed the file between our opening and our locking it.
        let ours = file.try_clone().and_then(Handle::from_file);
        if ours.and_then(|ours| Ok(ours == Handle::from_path(path)?)).unwrap_or(false) {
            return Ok(Some(file));
        }
    }
}

/// The name of a part's lock. The file stays until the parts are joined: it tells how many there are.
fn part_name(part: Part) -> String {
    format!(".part-{}.lock", part.to_string().replace('/', "-of-"))
}

/// The part whose lock has that name.
pub(super) fn part_of(name: &str) -> Option<Part> {
    let part = name.strip_prefix(".part-")?.strip_suffix(".lock")?;
    part.replace("-of-", "/").parse().ok()
}

fn entries(dir: &Path) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?;
    let name = |e: fs::DirEntry| e.file_name().to_string_lossy().into_owned();
    entries.map(|e| e.map(name).map_err(Error::io("read", dir))).collect()
}

/// Refuses a folder that holds what no preparation writes.
fn refuse_others(dir: &Path) -> Result<(), Error> {
    match entries(dir)?.into_iter().filter(|name| !is_ours(name) && name != FILE).min() {
        Some(entry) => Err(Error::NotEmpty { path: dir.into(), entry }),
        None => Ok(()),
    }
}

fn is_shard(name: &str) -> bool {
    name.ends_with(".shard") && SPLITS.iter().any(|split| name.starts_with(split))
}

/// Whether a file of that name is gone once the dataset is finished.
fn is_state(name: &str) -> bool {
    name == JOB
        || name == LOCK
        || part_of(name).is_some()
        || name.starts_with('.') && (name.ends_with(".partial") || name.ends_with(".done"))
}

/// Whether a file of that name is one a preparation writes. Not the manifest: with it, all is done.
fn is_ours(name: &str) -> bool {
    name == super::REPORT || is_shard(name) || is_state(name)
}
