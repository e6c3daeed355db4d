//! The output folder of a preparation: who may write, what is left of an earlier run, what stays.

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
    _lock: File,
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
        let output = Self { dir: dir.into(), made, resumed, renew, _lock: lock };
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
    let path = dir.join(LOCK);
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: dir.into() }),
            // A file system without locks: there, two runs at once are the user's to avoid.
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", path)(e)),
        }
        // The holder before may have removed the file between our opening and our locking it.
        let ours = file.try_clone().and_then(Handle::from_file);
        if ours.and_then(|ours| Ok(ours == Handle::from_path(&path)?)).unwrap_or(false) {
            return Ok(file);
        }
    }
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
        || name.starts_with('.') && (name.ends_with(".partial") || name.ends_with(".done"))
}

/// Whether a file of that name is one a preparation writes. Not the manifest: with it, all is done.
fn is_ours(name: &str) -> bool {
    name == super::REPORT || is_shard(name) || is_state(name)
}
