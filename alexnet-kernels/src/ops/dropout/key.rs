//! What a mask depends on.

/// What a mask depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DropoutKey {
    /// Seed of the run.
    pub seed: u64,
    /// Update the mask is drawn for.
    pub step: u64,
    /// Number of the layer; two layers with one number would drop the same units.
    pub layer: u32,
}
