//! Stages: layers as they run, a rectifier together with the layer before it.
//!
//! A ReLU behind a convolution, a dense layer or a pooling layer costs a pass over memory forward and another one
//! backward. So it runs in the tail of that layer, and its gradient in the tail of the layer behind, which reads
//! the rectified values anyway. What is computed is the same to the bit.

use std::ops::Range;

use alexnet_kernels::InputGradient;

use crate::{Layers, Op};

/// One layer, or one with the ReLU behind it, run as one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// The layer that does the work, by its place among the network's.
    pub layer: usize,
    /// Whether the layer behind it is a ReLU that runs with it.
    pub relu: bool,
    /// What its backward pass gives to the stage before it.
    pub(crate) input: InputGradient,
}

/// What a backward pass reads beside the gradient by the stage's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Input,
    Output,
    Argmax,
    Nothing,
}

impl Stage {
    /// The places of its layers among the network's.
    pub fn layers(&self) -> Range<usize> {
        self.layer..self.layer + 1 + usize::from(self.relu)
    }

    pub(crate) fn needs(&self, op: Op) -> Needs {
        match op {
            Op::Conv(_) | Op::Linear | Op::Lrn(_) | Op::MapNorm(_) => Needs::Input,
            Op::Relu => Needs::Output,
            Op::MaxPool(_) => Needs::Argmax,
            Op::Dropout(_) if self.input == InputGradient::Rectified => Needs::Output,
            Op::Dropout(_) => Needs::Nothing,
        }
    }
}

/// The stages of a network, first to last.
pub(crate) fn stages(layers: &Layers) -> Vec<Stage> {
    let ops: Vec<Op> = layers.iter().map(|layer| layer.op).collect();
    let mut stages: Vec<Stage> = Vec::new();
    let mut layer = 0;
    while layer < ops.len() {
        let takes_relu = matches!(ops[layer], Op::Conv(_) | Op::Linear | Op::MaxPool(_));
        let input = match stages.last() {
            None => InputGradient::No,
            Some(before) if before.relu => InputGradient::Rectified,
            Some(_) => InputGradient::Plain,
        };
        let relu = takes_relu && matches!(ops.get(layer + 1), Some(Op::Relu));
        stages.push(Stage { layer, relu, input });
        layer += 1 + usize::from(relu);
    }
    stages
}
