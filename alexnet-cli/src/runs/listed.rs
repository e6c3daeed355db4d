//! A run in a list: what its row says.

use std::path::Path;
use std::time::UNIX_EPOCH;

use alexnet_train::{RunFolder, RunLog, RunStatus};
use anyhow::Result;
use serde::Serialize;

use super::facts::{Position, best_error, last_error};
use crate::output::json_path;

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ListedRun {
    /// Its path below the folder that was searched.
    pub(super) run: String,
    /// `running`, `stopped`, `diverged` or `done`.
    pub(super) state: &'static str,
    /// Where it runs, or why it diverged.
    pub(super) detail: Option<String>,
    /// The epoch that it is in, from 1, or 0 before its first line.
    pub(super) epoch: usize,
    pub(super) epochs: usize,
    /// Of the validation images with the centre view, per cent.
    pub(super) best_top1_error: Option<f64>,
    pub(super) last_top1_error: Option<f64>,
    /// All of its files.
    pub(super) bytes: u64,
    /// When it was last at work, in seconds since 1970.
    pub(super) last_time: Option<f64>,
}

impl ListedRun {
    pub(super) fn read(folder: &Path, path: &Path) -> Result<Self> {
        let run = RunFolder::new(path);
        let config = run.config()?;
        let log = if run.log().exists() { RunLog::read(&run)? } else { RunLog::default() };
        let status = RunStatus::of(&run, &log);
        let below = path.strip_prefix(folder).ok().filter(|below| !below.as_os_str().is_empty());
        let modified =
            || run.log().metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok();
        Ok(Self {
            run: json_path(below.unwrap_or(path)).into_owned(),
            state: status.word(),
            detail: match status {
                RunStatus::Running(holder) => Some(holder.to_string()),
                RunStatus::Diverged(reason) => Some(reason),
                RunStatus::Stopped | RunStatus::Done => None,
            },
            epoch: Position::of(&log).map_or(0, |at| at.epoch),
            epochs: config.recipe.epochs,
            best_top1_error: best_error(&log).map(|(error, _)| error),
            last_top1_error: last_error(&log),
            bytes: run.size(),
            last_time: log.last_time.or_else(|| Some(modified()?.as_secs_f64())),
        })
    }
}
