//! The run that is watched: what is known of it at a moment. It is only read.

use std::fs;
use std::time::UNIX_EPOCH;

use alexnet_train::{LogFollower, RunConfig, RunFolder, RunLog, RunStatus};
use anyhow::Result;

use crate::runs::moment::now;

/// A run at the moment of the last look.
pub(super) struct Watched {
    pub(super) folder: RunFolder,
    pub(super) config: RunConfig,
    pub(super) status: RunStatus,
    pub(super) memory: Option<Memory>,
    pub(super) checkpoint: Option<LastCheckpoint>,
    /// When the look was, in seconds since 1970.
    pub(super) now: f64,
    follower: LogFollower,
}

/// The memory of the process that trains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    pub(super) bytes: u64,
    /// The most that it ever had.
    pub(super) peak: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LastCheckpoint {
    pub(super) bytes: u64,
    /// In seconds since 1970.
    pub(super) time: f64,
    /// The epoch and the step, from 0, at which a resumed run goes on, where the log says it.
    pub(super) at: Option<(usize, usize)>,
}

impl Watched {
    /// Reads the run for the first time. It may have no log yet.
    pub(super) fn new(folder: RunFolder) -> Result<Self> {
        let follower = LogFollower::new(&folder);
        let (config, status) = (folder.config()?, RunStatus::Stopped);
        let (memory, checkpoint, now) = (None, None, 0.0);
        let mut watched = Self { folder, config, status, memory, checkpoint, now, follower };
        watched.look()?;
        Ok(watched)
    }

    pub(super) fn log(&self) -> &RunLog {
        self.follower.log()
    }

    /// Reads what is new.
    pub(super) fn look(&mut self) -> Result<()> {
        let starts = self.log().starts.len();
        self.follower.look()?;
        if self.log().starts.len() != starts {
            // A run can be resumed with other numbers.
            self.config = self.folder.config()?;
        }
        self.status = RunStatus::of(&self.folder, self.log());
        self.memory = match &self.status {
            RunStatus::Running(holder) if holder.is_here() => {
                holder.process().and_then(|(process, _)| Memory::of(process))
            }
            _ => None,
        };
        self.checkpoint = self.last_checkpoint();
        self.now = now();
        Ok(())
    }

    fn last_checkpoint(&self) -> Option<LastCheckpoint> {
        let logged = self.log().checkpoints.last().and_then(|c| {
            Some(LastCheckpoint { bytes: c.bytes, time: c.time?, at: Some((c.epoch, c.step)) })
        });
        logged.or_else(|| {
            let file = fs::metadata(self.folder.checkpoint()).ok()?;
            let time = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
            Some(LastCheckpoint { bytes: file.len(), time, at: None })
        })
    }
}

impl Memory {
    /// That of a process of this machine, where the system says it in a file, as Linux does.
    fn of(process: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let bytes = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kilobytes * 1024)
        };
        Some(Self { bytes: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
    }
}
