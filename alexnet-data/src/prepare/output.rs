//! The output folder of a preparation: who may write to it, and which files stay in it.
//!
//! A process that makes or merges a whole dataset holds the folder's lock exclusively. Processes
//! that make parts share it, and each also holds the lock of its part.

use super::part::Part;
use super::report::REPORT;
use super::shard_plan::{PLAN, ShardPlan};
use super::source::names::names_in;
use crate::error::{Error, Result};
use crate::holder::Holder;
use crate::lock::Lock;
use crate::manifest::{FILE, Manifest};
use std::fs;
use std::path::{Path, PathBuf};

/// The file whose lock means that a process is at work.
const LOCK: &str = ".prepare.lock";

/// An output folder that this process may fill.
pub(super) struct Output {
    pub(super) dir: PathBuf,
    /// The folders that were created for it, outermost first.
    created: Vec<PathBuf>,
    /// Whether an earlier run has left its plan here.
    resumed: bool,
    /// Whether another unfinished preparation may be replaced.
    replace: bool,
    lock: Lock,
    part_lock: Option<Lock>,
}

impl Output {
    /// Takes the folder, which is created if necessary. `None` means that the dataset was finished
    /// already, and only its unfinished files had to be removed. With `replace`, an unfinished
    /// other preparation is removed: it is no dataset, but it may have taken a day.
    pub(super) fn open(dir: &Path, replace: bool) -> Result<Option<Self>> {
        // Checked before anything is written, as the dataset's folder may be read-only.
        if dir.join(FILE).exists() && !entries(dir)?.iter().any(|name| is_unfinished(name)) {
            return Err(Error::AlreadyPrepared(dir.into()));
        }
        let created = create(dir)?;
        let lock = take_lock(dir)?;
        let names = entries(dir)?;
        let resumed = names.iter().any(|name| name == PLAN);
        let output = Self { dir: dir.into(), created, resumed, replace, lock, part_lock: None };
        if names.iter().any(|name| name == FILE) {
            Manifest::read(dir)?;
            output.tidy()?;
            return Ok(None);
        }
        if names.iter().any(|name| is_shard(name)) && !resumed && !replace {
            // Without the plan, the content of the shards is unknown.
            output.lock.remove();
            return Err(Error::Unfinished(dir.into()));
        }
        output.remove(|name| name.ends_with(".partial"))?;
        Ok(Some(output))
    }

    /// Takes the folder for one part, while other processes may make other parts in it.
    pub(super) fn open_part(dir: &Path, part: Part) -> Result<Self> {
        if dir.join(FILE).exists() {
            return Err(Error::AlreadyPrepared(dir.into()));
        }
        let created = create(dir)?;
        let lock = Lock::shared(&dir.join(LOCK))?.map_err(|holder| busy(dir, holder))?;
        let part_lock = Lock::exclusive(&dir.join(part_lock_name(part)))?;
        let part_lock = part_lock.map_err(|holder| Error::PartBusy {
            path: dir.into(),
            part: part.to_string(),
            holder,
        })?;
        let part_lock = Some(part_lock);
        let has_shards = entries(dir)?.iter().any(|name| is_shard(name));
        // Checked after the shards were listed, because a part writes the plan before its shards.
        let resumed = dir.join(PLAN).exists();
        if has_shards && !resumed {
            return Err(Error::Unfinished(dir.into()));
        }
        Ok(Self { dir: dir.into(), created, resumed, replace: false, lock, part_lock })
    }

    /// Writes the plan, unless the folder has the same; refuses a folder that has another one.
    pub(super) fn begin(&self, plan: &ShardPlan) -> Result<()> {
        if let Some(begun) = ShardPlan::read(&self.dir) {
            let Some(difference) = plan.difference(&begun) else { return Ok(()) };
            if !self.replace {
                return Err(Error::OtherPreparation { path: self.dir.clone(), difference });
            }
        }
        self.remove(|name| name != LOCK)?;
        plan.write(&self.dir)
    }

    /// The same for a part with these `shards`, while another one may be writing the plan. Removes
    /// the unfinished files that an earlier run of this part has left.
    pub(super) fn begin_part(&self, plan: &ShardPlan, shards: &[&String]) -> Result<()> {
        plan.write(&self.dir)?;
        let path = self.dir.clone();
        let Some(begun) = ShardPlan::read(&path) else { return Err(Error::Unfinished(path)) };
        if let Some(difference) = plan.difference(&begun) {
            return Err(Error::OtherPreparation { path, difference });
        }
        self.remove(|name| {
            let bare = name.trim_start_matches('.');
            let shard = bare.find(".shard").map(|end| &bare[..end + ".shard".len()]);
            name.ends_with(".partial") && shards.iter().any(|s| shard == Some(s.as_str()))
        })
    }

    /// Ends a preparation. After success only the dataset stays. After an error whole shards stay
    /// for the next run, unless that would meet the same error.
    pub(super) fn close(self, made: Result<()>) -> Result<()> {
        let Err(error) = &made else { return self.tidy() };
        let accident =
            matches!(error, Error::Io { .. } | Error::Interrupted { .. } | Error::Worker);
        let useless = matches!(error, Error::Strict { .. } | Error::Incomplete { .. });
        let has_results = || entries(&self.dir).is_ok_and(|e| e.iter().any(|n| is_result(n)));
        let keep = !useless && (self.resumed || accident && has_results());
        // It names the reason of every image, where none is left.
        let keep_report = matches!(error, Error::NoImages { .. });
        if !keep {
            // The caller gets the first error; a second one would hide it.
            let _ = self.remove(|name| name != LOCK && !(keep_report && name == REPORT));
        }
        self.lock.remove();
        if !keep {
            self.remove_created();
        }
        made
    }

    /// Ends a merge. After an error the parts stay, whatever it was.
    pub(super) fn close_merge(self, merged: Result<()>) -> Result<()> {
        if merged.is_err() && self.dir.join(PLAN).exists() {
            self.lock.remove();
            return merged;
        }
        self.close(merged)
    }

    /// Ends a part. Whole shards stay; if the plan was not written yet, nothing stays.
    pub(super) fn close_part(self, success: bool) {
        if success || self.dir.join(PLAN).exists() {
            return;
        }
        self.part_lock.iter().for_each(Lock::remove);
        // Other parts may be at work in the folder.
        if self.lock.make_exclusive() {
            self.lock.remove();
            self.remove_created();
        }
    }

    /// Removes everything but the dataset.
    fn tidy(&self) -> Result<()> {
        self.remove(|name| is_unfinished(name) && name != LOCK && name != PLAN)?;
        // The plan goes after the others: a run that finds it knows that this was interrupted.
        self.remove(|name| name == PLAN)?;
        self.lock.remove();
        Ok(())
    }

    /// Removes those files of a preparation whose name `which` accepts.
    fn remove(&self, which: impl Fn(&str) -> bool) -> Result<()> {
        for name in entries(&self.dir)?.iter().filter(|name| is_ours(name) && which(name)) {
            let path = self.dir.join(name);
            fs::remove_file(&path).map_err(Error::io("remove", path))?;
        }
        Ok(())
    }

    fn remove_created(&self) {
        self.created.iter().rev().for_each(|dir| _ = fs::remove_dir(dir));
    }
}

/// Takes the lock of a folder exclusively.
pub(super) fn take_lock(dir: &Path) -> Result<Lock> {
    Lock::exclusive(&dir.join(LOCK))?.map_err(|holder| busy(dir, holder))
}

/// The error of a folder that `holder` has locked. Those that make parts share the folder's lock,
/// and are named in the locks of their parts.
fn busy(dir: &Path, holder: Holder) -> Error {
    let of_part = || {
        let names = entries(dir).unwrap_or_default();
        let mut parts = names.iter().filter(|name| part_of(name).is_some());
        parts.find_map(|name| Lock::holder(&dir.join(name)))
    };
    let part = if holder.is_known() { None } else { of_part() };
    Error::Busy { path: dir.into(), holder: part.unwrap_or(holder) }
}

/// Creates the folder with those above it, which are returned, outermost first. A folder that holds
/// what no preparation writes is refused.
fn create(dir: &Path) -> Result<Vec<PathBuf>> {
    if dir.exists() {
        let foreign = |name: &String| !is_ours(name) && name != FILE;
        if let Some(entry) = entries(dir)?.into_iter().filter(foreign).min() {
            return Err(Error::NotEmpty { path: dir.into(), entry });
        }
    }
    let missing = |d: &&Path| !d.as_os_str().is_empty() && !d.exists();
    let mut created: Vec<_> = dir.ancestors().take_while(missing).map(PathBuf::from).collect();
    created.reverse();
    fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    Ok(created)
}

/// The name of the lock of a part. The file stays until the parts are merged, because it says how
/// many parts there are.
fn part_lock_name(part: Part) -> String {
    format!(".part-{}.lock", part.to_string().replace('/', "-of-"))
}

/// The part whose lock has that name.
pub(super) fn part_of(name: &str) -> Option<Part> {
    let part = name.strip_prefix(".part-")?.strip_suffix(".lock")?;
    part.replace("-of-", "/").parse().ok()
}

fn entries(dir: &Path) -> Result<Vec<String>> {
    Ok(names_in(dir)?.iter().map(|name| name.to_string_lossy().into_owned()).collect())
}

fn is_shard(name: &str) -> bool {
    let splits = ["train-", "val-", "test-"];
    name.ends_with(".shard") && splits.iter().any(|split| name.starts_with(split))
}

fn is_result(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".done")
}

/// Whether a file of that name is removed when the dataset is finished.
fn is_unfinished(name: &str) -> bool {
    let partial = name.starts_with('.') && name.ends_with(".partial");
    name == PLAN || name == LOCK || part_of(name).is_some() || partial || is_result(name)
}

/// Whether a preparation writes a file of that name before the manifest.
fn is_ours(name: &str) -> bool {
    name == REPORT || is_shard(name) || is_unfinished(name)
}
