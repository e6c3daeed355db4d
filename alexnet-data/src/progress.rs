//! How far a preparation is.

/// How far a preparation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The current stage.
    pub stage: Stage,
    /// Images done in this stage.
    pub done: u64,
    /// Images of this stage; 0 while their number is unknown.
    pub total: u64,
    /// Images skipped in this stage.
    pub skipped: u64,
    /// Bytes of records written in this stage.
    pub bytes: u64,
}

/// What a preparation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Drawing the demo images.
    Drawing,
    /// Listing the input.
    Scanning,
    /// Writing the train split.
    Train,
    /// Writing the val split.
    Val,
    /// Writing the test split.
    Test,
}

/// A callback for progress. Threads call it one at a time, except in [`Stage::Drawing`].
pub(crate) type OnProgress<'a> = &'a (dyn Fn(Progress) + Sync);

impl Progress {
    /// The beginning of a stage, or a stage without bytes or skipped images.
    pub(crate) fn of(stage: Stage, done: u64, total: u64) -> Self {
        Self { stage, done, total, skipped: 0, bytes: 0 }
    }
}

impl Stage {
    /// The split this stage writes.
    pub(crate) fn split(self) -> &'static str {
        match self {
            Self::Val => "val",
            Self::Test => "test",
            _ => "train",
        }
    }
}
