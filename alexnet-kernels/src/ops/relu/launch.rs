//! Launches of the ReLU.

use candle_core::Result;

use crate::cuda::launch::{Launch, Span, Storage, elementwise};

/// `y = max(x, 0)`.
///
/// # Errors
///
/// Buffers of different sizes, or of more elements than the kernels count.
pub fn relu(storage: Storage, [x, y]: [Span; 2]) -> Result<Launch> {
    elementwise("relu", storage, "relu_forward", storage.vector(), &[x, y])
}

/// `dx = dy · factor` where `y > 0`, else 0. `dx` may be `dy`.
///
/// With `y` the output of a ReLU, this is the ReLU's gradient. With `y` the output of a dropout
/// after the ReLU, and the dropout's factor, it is the gradient through both. With `y` the input of
/// a layer, it takes the layer's gradient back through the ReLU before it.
///
/// # Errors
///
/// As [`relu`].
pub fn relu_backward(storage: Storage, [y, dy, dx]: [Span; 3], factor: f32) -> Result<Launch> {
    let launch = elementwise("relu", storage, "relu_backward", storage.vector(), &[y, dy, dx])?;
    Ok(launch.floats(&[factor]))
}
