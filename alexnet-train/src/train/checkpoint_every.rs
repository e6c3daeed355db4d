//! When it is time for a checkpoint.

use std::time::Duration;

/// How often a run is saved within an epoch; the end of each epoch is saved anyhow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointEvery {
    /// After so many steps.
    Steps(usize),
    /// After so much time.
    Time(Duration),
}
