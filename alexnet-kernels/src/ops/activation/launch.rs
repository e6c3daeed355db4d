//! Launches of the activations.

use candle_core::Result;

use super::function::Activation;
use crate::cuda::launch::{Launch, Span, Storage, elementwise};

/// `y = f(x)`.
///
/// # Errors
///
/// Buffers of different sizes, or of more elements than the kernels count.
pub fn activation(f: Activation, storage: Storage, [x, y]: [Span; 2]) -> Result<Launch> {
    elementwise("activation", storage, &format!("{}_forward", f.name()), storage.vector(), &[x, y])
}

/// `dx = dy · factor · f′(x)`, given `y = f(x)`. `dx` may be `dy`.
///
/// With `y` the output of a dropout after a ReLU, and the dropout's factor, it is the gradient
/// through both. With `y` the input of a layer, it takes the layer's gradient back through the ReLU
/// before it.
///
/// # Errors
///
/// As [`activation`].
pub fn activation_backward(
    f: Activation,
    storage: Storage,
    [y, dy, dx]: [Span; 3],
    factor: f32,
) -> Result<Launch> {
    let kernel = format!("{}_backward", f.name());
    let launch = elementwise("activation", storage, &kernel, storage.vector(), &[y, dy, dx])?;
    Ok(launch.floats(&[factor]))
}

/// Sets the gradient `dx` to 0 where `y` is not above 0: back through the ReLU that gave `y`, in
/// place.
///
/// # Errors
///
/// As [`activation`].
pub fn zero_where_not_positive(storage: Storage, y: Span, dx: Span) -> Result<Launch> {
    activation_backward(Activation::Relu, storage, [y, dx, dx], 1.0)
}
