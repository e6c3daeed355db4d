//! What a forward pass leaves for the backward pass.

use candle_core::Tensor;

use super::frozen::FrozenLayers;
use super::fused_layer::Mode;

/// What a forward pass leaves for the backward pass, and the logits.
#[derive(Debug)]
pub struct Tape {
    /// One for each tower.
    pub(super) towers: Vec<TowerTape>,
    pub(super) logits: Tensor,
    pub(super) mode: Mode,
    pub(super) frozen: FrozenLayers,
}

/// What the forward pass of one tower leaves: the tensors that each layer saved, none where
/// it is frozen.
pub type TowerTape = Vec<Vec<Tensor>>;

impl Tape {
    /// What the last layer computed: `(B, classes)`, on the first device.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// What each tower's layers saved.
    pub fn towers(&self) -> &[TowerTape] {
        &self.towers
    }
}
