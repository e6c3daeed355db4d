//! What a run writes, and whether the disk has room for it: known before it begins.

use serde::Serialize;

use crate::kernels::Kernels;
use crate::log::tensorboard::kernels_png;
use crate::run::RunFolder;
use crate::system::free_space;
use crate::train::setup::{Setup, State};

/// The bytes of a step in all logs: a line, a row of the table, the numbers for TensorBoard.
const STEP: u64 = 480;
/// The bytes of the norms of a layer in all logs.
const NORMS: u64 = 360;
/// The bytes of an epoch in all logs, but for the picture of the kernels.
const EPOCH: u64 = 1_500;
/// The bytes of a checkpoint's header beside the names of the classes.
const HEADER: u64 = 16_000;

/// What a run writes into its folder, in bytes: no less than it will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskNeeds {
    /// A checkpoint.
    pub checkpoint: u64,
    /// The number of checkpoints that may be there at one time.
    pub checkpoints: u64,
    /// The final weights.
    pub weights: u64,
    /// The logs.
    pub logs: u64,
    /// What of all that is there already, of a run that is resumed.
    pub written: u64,
    /// What can still be written there, where the system says.
    pub free: Option<u64>,
}

impl DiskNeeds {
    pub(crate) fn of(setup: &Setup<'_>, state: &State) -> Self {
        let (job, recipe) = (setup.job, &setup.config.recipe);
        let image = 3 * 4 * (setup.training.height() * setup.training.width()) as u64;
        let names: usize = setup.data.manifest().classes.iter().map(|c| c.name.len() + 4).sum();
        let rest = image + names as u64 + HEADER;
        let values: u64 = state.network.parameters().map(|p| p.tensor.elem_count() as u64).sum();
        // The last few, the best, those before the rates fall, and the one that is being written.
        let best = u64::from(setup.validation.is_some());
        let checkpoints = job.keep.max(1) as u64 + best + recipe.schedule.drops() as u64 + 1;
        let steps = (recipe.epochs * setup.steps) as u64;
        let layers = setup.config.network.layers.len() as u64;
        let norms = steps.checked_div(job.norms_every as u64).unwrap_or(0) * layers * NORMS;
        let picture = Kernels::of(&state.network).ok().and_then(|k| kernels_png(&k));
        let picture = picture.map_or(0, |png| png.len() as u64);
        let logs = steps * STEP + norms + (recipe.epochs as u64 + 1) * (EPOCH + picture);
        Self {
            checkpoint: 8 * values + rest,
            checkpoints,
            weights: 4 * values + rest,
            logs,
            written: job.run.size(),
            free: free_space(job.run.existing_folder()),
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.checkpoint * self.checkpoints + self.weights + self.logs
    }

    /// What to say where there is too little room.
    pub fn warning(&self, run: &RunFolder) -> Option<String> {
        let (left, free) = (self.total().saturating_sub(self.written), self.free?);
        let [left_mb, free_mb, each] =
            [left, free, self.checkpoint].map(|bytes| bytes.div_ceil(1_000_000));
        (left > free).then(|| {
            format!(
                "the run writes up to {left_mb} MB into {}, where {free_mb} MB are free: make \
                 room, or keep fewer checkpoints (--keep), each of which takes {each} MB",
                run.path().display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What is there already needs no room again.
    #[test]
    fn a_disk_that_is_too_small_is_said() {
        let run = RunFolder::new(Path::new("runs/a"));
        let (checkpoint, checkpoints, weights, logs) = (1_000_000_000, 4, 500_000_000, 0);
        let needs = |written, free| {
            DiskNeeds { checkpoint, checkpoints, weights, logs, written, free }.warning(&run)
        };
        assert_eq!(needs(0, Some(4_500_000_000)), None);
        assert_eq!(needs(2_000_000_000, Some(2_500_000_000)), None);
        assert_eq!(needs(0, None), None);
        let warning = needs(1_000_000_000, Some(3_400_000_000)).unwrap();
        let begin = "the run writes up to 3500 MB into runs/a, where 3400 MB are free: make room";
        assert!(warning.starts_with(begin), "{warning}");
    }
}
