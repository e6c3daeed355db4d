//! What a layer can do in the same pass over memory as its own work: the only words for fusion.

use candle_core::Tensor;

/// What happens to a layer's output while it is still in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Epilogue {
    /// Nothing.
    #[default]
    None,
    /// `max(y, 0)`, as [`Relu`](crate::Relu) computes it.
    Relu,
}

/// Which gradient with respect to its input a layer's backward pass computes.
///
/// A chain of layers saves a pass over memory for each ReLU in it: the next layer reads the ReLU's output
/// anyway, so it applies the ReLU's gradient to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputGrad {
    /// None: the first layer of a network, whose input is the images, needs none.
    Skip,
    /// With respect to the input `x`.
    Plain,
    /// With respect to `z`, where `x = relu(z)`: the plain one where `x > 0`, else 0.
    ThroughRelu,
}

impl InputGrad {
    pub(crate) fn through_relu(self) -> bool {
        self == Self::ThroughRelu
    }
}

/// The gradients of a layer with weights and a bias, each of the shape of what it belongs to.
#[derive(Debug, Clone)]
pub struct LayerGrads {
    /// With respect to the input; `None` with [`InputGrad::Skip`].
    pub input: Option<Tensor>,
    /// With respect to the weights.
    pub weight: Tensor,
    /// With respect to the bias.
    pub bias: Tensor,
}
