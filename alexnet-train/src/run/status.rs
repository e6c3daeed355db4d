//! How a run stands: at work, stopped, diverged or done.

use alexnet_data::{Holder, Lock};

use crate::log::read::RunLog;
use crate::run::RunFolder;

/// How a run stands.
///
/// ```
/// use alexnet_train::{RunFolder, RunLog, RunStatus};
///
/// # let folder = tempfile::tempdir()?;
/// let run = RunFolder::new(folder.path());
/// let log = br#"{"event":"fail","reason":"the loss is NaN","epoch":2,"step":7}"#;
/// let status = RunStatus::of(&run, &RunLog::parse(&log[..])?);
/// assert_eq!(status, RunStatus::Diverged("the loss is NaN".to_owned()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStatus {
    /// A process trains in it now.
    Running(Holder),
    /// No process trains in it, and it is not complete.
    Stopped,
    /// It ended because of its numbers: what was not as it should be.
    Diverged(String),
    /// It is complete.
    Done,
}

impl RunStatus {
    /// How the run in a folder stands, whose log was read before.
    ///
    /// The lock of the folder says whether a process is at work. On a file system without locks a
    /// run at work counts as stopped.
    pub fn of(run: &RunFolder, log: &RunLog) -> Self {
        match (Lock::holder(&run.lock_path()), &log.end, &log.failure) {
            (Some(holder), ..) => Self::Running(holder),
            (None, Some(_), _) => Self::Done,
            (None, None, Some(failure)) => Self::Diverged(failure.reason.clone()),
            (None, None, None) => Self::Stopped,
        }
    }

    /// Its word: `running`, `stopped`, `diverged` or `done`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Running(_) => "running",
            Self::Stopped => "stopped",
            Self::Diverged(_) => "diverged",
            Self::Done => "done",
        }
    }
}
