//! What a layer with weights gives back from its backward pass.

use candle_core::{Result, Shape, Tensor};

/// Which gradient by its input a layer's backward pass works out.
///
/// A chain of layers saves a pass over memory for each rectifier in it: the layer behind applies the rectifier's
/// gradient to its own, since it has the rectifier's output at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputGradient {
    /// None, as for the first layer of a network, whose input is the images.
    No,
    /// By the input `x`.
    Plain,
    /// By `z`, where `x = relu(z)`: that by `x` where `x > 0`, else 0.
    Rectified,
}

/// The gradients of a layer with weights and a bias, each of the shape of what it belongs to.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// By the input; `None` if it was not asked for, as for the first layer of a network.
    pub input: Option<Tensor>,
    /// By the weights.
    pub weight: Tensor,
    /// By the bias.
    pub bias: Tensor,
}

/// What [`Conv2d::backward`](crate::Conv2d::backward) gives back.
pub type ConvGradients = Gradients;

/// What [`Linear::backward`](crate::Linear::backward) gives back.
pub type LinearGradients = Gradients;

/// Weight and bias gradient out of the one storage an operation can return: first the elements of
/// `shape`, then those of the bias.
pub(crate) fn split(both: &Tensor, shape: impl Into<Shape>) -> Result<(Tensor, Tensor)> {
    let shape = shape.into();
    let (all, weights) = (both.elem_count(), shape.elem_count());
    Ok((both.narrow(0, 0, weights)?.reshape(shape)?, both.narrow(0, weights, all - weights)?))
}

/// `sums[c] = Σ rows[i][c]`, in the order of the rows.
pub(crate) fn sum_rows(rows: &[f32], sums: &mut [f32]) {
    let mut totals = vec![0f64; sums.len()];
    for row in rows.chunks_exact(sums.len()) {
        for (total, &x) in totals.iter_mut().zip(row) {
            *total += f64::from(x);
        }
    }
    for (sum, total) in sums.iter_mut().zip(totals) {
        *sum = total as f32;
    }
}
