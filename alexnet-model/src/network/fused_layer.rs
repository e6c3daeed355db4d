//! A layer as it runs: one operation of alexnet-kernels, with the layers after it that are fused
//! into it.
//!
//! A ReLU of its own costs a pass over memory forward and another one backward. After a
//! convolution, a dense layer or a pooling layer it is fused instead: forward it is the epilogue of
//! that layer, and its gradient is applied by the next layer, which reads the rectified values
//! anyway, or is in the pooling's argmax. An LRN and the max-pooling after it are one operation
//! too, so that what is between them need not be in memory. On the CPU the numbers are the same to
//! the bit; a GPU rounds less often.
//!
//! `layer_pass.rs` is how it computes.

use alexnet_kernels::{InputGrad, Lrn, MaxPool2d, Towers};

use super::parameter::Pixels;
use crate::spec::LayerKind;
use crate::spec::shapes::{Shape, Share};

/// Whether a pass drops elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Evaluation: nothing is dropped.
    Test,
    /// Training: which elements are dropped is a function of these two and the layer.
    Train {
        /// The run's seed.
        seed: u64,
        /// The update this pass is for.
        step: u64,
    },
}

/// A max-pooling layer that is fused into the layer before it.
#[derive(Debug, Clone, PartialEq)]
pub struct FusedPool {
    /// The layer's name in the file.
    pub name: String,
    /// What it computes.
    pub op: MaxPool2d,
}

/// One operation of a network, or one tower's part of it, with all that follows from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct FusedLayer {
    /// The layer's name in the file.
    pub name: String,
    /// What it computes; of a tower's part the numbers are the part's.
    pub kind: LayerKind,
    /// The max-pooling layer that is fused into it; only an LRN has one.
    pub pool: Option<FusedPool>,
    /// The name of the ReLU layer that is fused into it, after the pooling.
    pub relu: Option<String>,
    /// Its place among the file's layers, from 0; dropout's draws depend on it.
    pub index: usize,
    /// One image's activations that it reads.
    pub input: Shape,
    /// One image's activations that it computes.
    pub output: Shape,
    /// Its output channels among those of the whole network's layer.
    pub share: Share,
    /// Shape of its weights in PyTorch's layout: `(O, I/groups, kH, kW)` or `(O, I)`, of a local
    /// layer `(O·H'·W', I·kH·kW)`; its bias has a number for each row.
    pub weight: Option<Vec<usize>>,
    /// Where its weight is among the tower's parameters; its bias is the next one.
    pub first_parameter: Option<usize>,
    /// Whether its input is gathered from all towers.
    pub all_gather: bool,
    /// How the maps of towers lie in its input and its output (`on_gpu.rs`).
    pub(super) towers: Towers,
    /// The bias that is added between this convolution and the next layer, or the previous one and
    /// this (`on_gpu.rs`).
    pub(super) left_rest: Option<LeftRest>,
    /// Which gradient with respect to its input it computes.
    pub(super) input_grad: InputGrad,
}

/// The tensors that a layer saves in the forward pass for its backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saves {
    Input,
    Output,
    Argmax,
    InputAndArgmax,
}

impl Saves {
    pub(crate) fn input(self) -> bool {
        matches!(self, Self::Input | Self::InputAndArgmax)
    }
}

/// What a convolution leaves to the layer after it: its bias and its ReLU. Both layers have this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftRest {
    /// Where the bias is among the tower's parameters.
    pub(super) bias: usize,
    pub(super) relu: bool,
}

impl FusedLayer {
    /// Its name, with those of the layers that are fused into it: `conv2+relu2`,
    /// `lrn1+pool1+relu1`.
    pub fn full_name(&self) -> String {
        let pool = self.pool.as_ref().map(|pool| &pool.name);
        let names: Vec<&str> = [Some(&self.name), pool, self.relu.as_ref()]
            .into_iter()
            .flatten()
            .map(|n| &**n)
            .collect();
        names.join("+")
    }

    /// The max-pooling that it does.
    pub(crate) fn max_pool(&self) -> Option<MaxPool2d> {
        let pool = match self.kind {
            LayerKind::MaxPool { kernel, stride, ceil } => {
                MaxPool2d::new(kernel, stride).ceil(ceil)
            }
            _ => self.pool.as_ref()?.op,
        };
        Some(pool.towers(self.towers))
    }

    /// The LRN that it does, over maps that lie as its input's.
    pub(crate) fn lrn(&self) -> Option<Lrn> {
        let LayerKind::Lrn { n, alpha, beta, k, towers, alpha_over_n } = self.kind else {
            return None;
        };
        let towers = if self.towers.input_apart { 1 } else { towers };
        Some(Lrn { n, alpha, beta, k, towers, alpha_over_n })
    }

    /// Of how many pixels a row and a column of its matrix of weights are elements; a bias has the
    /// rows' number.
    pub(super) fn pixels(&self) -> Pixels {
        let of = |shape| match shape {
            Shape::Map(_, h, w) => h * w,
            Shape::Vector(_) => 1,
        };
        match self.kind {
            LayerKind::Local { kernel, .. } => {
                Pixels { rows: of(self.output), columns: kernel * kernel }
            }
            LayerKind::Linear { .. } => Pixels { rows: 1, columns: of(self.input) },
            _ => Pixels { rows: 1, columns: 1 },
        }
    }

    /// Its rows of weights and biases among those of the whole network's layer.
    pub(super) fn rows(&self) -> Share {
        let (Share { first, count, whole }, each) = (self.share, self.pixels().rows);
        Share { first: first * each, count: count * each, whole: whole * each }
    }

    /// How many weights and biases it has.
    pub fn parameter_count(&self) -> u64 {
        self.weight.as_ref().map_or(0, |w| (w.iter().product::<usize>() + w[0]) as u64)
    }

    /// Multiply-adds of one image's forward pass; as is usual, only layers with weights count.
    pub fn multiply_adds(&self) -> u64 {
        let per_output = self.weight.as_ref().map_or(0, |w| w[1..].iter().product::<usize>());
        (self.output.elem_count() * per_output) as u64
    }

    /// Which gradient with respect to its input a layer computes after `previous`.
    pub(super) fn input_grad(previous: Option<&Self>) -> InputGrad {
        match previous {
            None => InputGrad::Skip, // the input is the images
            // The argmax of a pooling says already where the ReLU after it gave 0.
            Some(previous) if previous.max_pool().is_some() => InputGrad::Plain,
            Some(previous) if previous.relu.is_some() => InputGrad::ThroughRelu,
            Some(_) => InputGrad::Plain,
        }
    }

    /// Whether a ReLU after it can be fused into it, and is not there already.
    pub(super) fn takes_relu(&self) -> bool {
        let takes = self.weight.is_some() || self.max_pool().is_some();
        takes && self.relu.is_none()
    }

    /// Whether a max-pooling layer after it, which reads `input`, can be fused into it.
    pub(super) fn takes_pool(&self, input: Shape) -> bool {
        let is_bare = self.pool.is_none() && self.output == input;
        matches!(self.kind, LayerKind::Lrn { .. }) && is_bare
    }

    /// The tensors that it saves for its backward pass.
    pub(crate) fn saves(&self) -> Saves {
        match self.kind {
            LayerKind::Lrn { .. } if self.pool.is_some() => Saves::InputAndArgmax,
            LayerKind::Conv { .. }
            | LayerKind::Local { .. }
            | LayerKind::Linear { .. }
            | LayerKind::Lrn { .. }
            | LayerKind::MapNorm { .. }
            | LayerKind::AvgPool { .. } => Saves::Input,
            LayerKind::MaxPool { .. } => Saves::Argmax,
            _ => Saves::Output, // dropout and activations
        }
    }
}
