//! What a layer can do in the same pass over memory as its own work.

use candle_core::Tensor;

/// What happens to a layer's output while it is still in registers or in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Epilogue {
    /// Nothing.
    #[default]
    None,
    /// `max(y, 0)`, as [`Activation::Relu`](crate::Activation::Relu) computes it.
    Relu,
}

/// Which gradient with respect to its input a layer's backward pass computes.
///
/// [`ThroughRelu`](Self::ThroughRelu) saves a pass over memory for each ReLU between two layers:
/// the next layer reads the ReLU's output `x` anyway, so it applies the ReLU's gradient together
/// with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputGrad {
    /// None: the input of a network's first layer is the images, so their gradient is not needed.
    Skip,
    /// With respect to the input `x`.
    Plain,
    /// With respect to `z`, where `x = relu(z)`: the plain gradient where `x > 0`, else 0.
    ThroughRelu,
}

impl InputGrad {
    pub(crate) fn through_relu(self) -> bool {
        self == Self::ThroughRelu
    }
}

/// The gradients of a layer with weights and a bias; each has the shape of what it is the gradient
/// of.
#[derive(Debug, Clone)]
pub struct LayerGrads {
    /// With respect to the input; `None` with [`InputGrad::Skip`].
    pub input: Option<Tensor>,
    /// With respect to the weights.
    pub weight: Tensor,
    /// With respect to the bias.
    pub bias: Tensor,
}
