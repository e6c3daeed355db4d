//! A layer of a network that becomes operations of a graph.

use alexnet_model::{LayerSpec, Shape};

/// A layer, with what it reads and computes.
pub(super) struct Layer<'a> {
    pub(super) spec: &'a LayerSpec,
    /// The name of the value that it reads.
    pub(super) x: &'a str,
    /// The name that its result is to have.
    pub(super) y: &'a str,
    /// One image's activations that it reads.
    pub(super) input: Shape,
    /// One image's activations that it computes.
    pub(super) output: Shape,
}

impl Layer<'_> {
    /// The name of something that only this layer has.
    pub(super) fn part(&self, name: &str) -> String {
        format!("{}/{name}", self.spec.name)
    }
}
