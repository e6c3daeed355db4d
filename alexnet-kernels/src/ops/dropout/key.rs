//! The key of a mask.

/// What a mask depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DropoutKey {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the update.
    pub step: u64,
    /// Number of the layer. Two layers with the same number would drop the same units.
    pub layer: u32,
}
