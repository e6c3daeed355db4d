//! Writes the bytes of a checkpoint: everything under checksums, and nothing that is not finite.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use alexnet_data::Preprocessing;
use candle_core::Tensor;
use safetensors::View;

use super::header::{Header, METADATA, seal};
use super::progress::SavedState;
use super::{MEAN_IMAGE, VELOCITY};
use crate::error::Error;
use crate::recipe::Recipe;
use crate::train::finite::{LastStep, diverged, not_finite};
use crate::train::optimizer::Snapshot;

/// What all checkpoints of a run have in common.
#[derive(Debug)]
pub(crate) struct CheckpointWriter {
    pub(crate) recipe: Recipe,
    pub(crate) classes: Vec<String>,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) mean_image: Tensor, // (H, W, 3)
}

impl CheckpointWriter {
    /// The bytes of final weights or, with `state`, of a checkpoint from which training can go on;
    /// `path` is where they will be. What is not finite after the step `last` is refused.
    pub(crate) fn bytes(
        &self,
        path: &Path,
        snapshot: &Snapshot,
        state: Option<&SavedState>,
        last: LastStep,
    ) -> Result<Vec<u8>, Error> {
        let mut tensors = BTreeMap::from([(MEAN_IMAGE.to_owned(), self.mean_image.clone())]);
        let [values, velocities] = snapshot.values()?;
        if state.is_some() {
            let named = |(name, velocity)| (format!("{VELOCITY}{name}"), velocity);
            tensors.extend(velocities.into_iter().map(named));
        }
        tensors.extend(values);
        let mut crc32 = BTreeMap::new();
        for (name, tensor) in &tensors {
            let bytes = tensor.data();
            if let Some(value) = not_finite(&bytes) {
                return Err(diverged(format!("a value of `{name}`"), value, last));
            }
            crc32.insert(name.clone(), crc32fast::hash(&bytes));
        }
        let Self { recipe, classes, preprocessing, .. } = self;
        let header =
            Header::new(snapshot.spec(), recipe, classes, *preprocessing, state.cloned(), crc32);
        let header = serde_json::to_string(&header).map_err(|e| Error::io(path)(e.into()))?;
        let metadata = HashMap::from([(METADATA.to_owned(), header)]);
        let fail = |reason| Error::Checkpoint { path: path.to_owned(), reason };
        let mut bytes =
            safetensors::serialize(&tensors, Some(metadata)).map_err(|e| fail(e.to_string()))?;
        match seal(&mut bytes) {
            true => Ok(bytes),
            false => Err(fail("its header has no place for its checksum".to_owned())),
        }
    }
}
