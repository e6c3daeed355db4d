//! The activations in f64.

use super::function::Activation;
use crate::array::Array;

/// `f(x)`.
pub fn activation(f: Activation, x: &Array) -> Array {
    x.map(|x| f.value(x))
}

/// `dy · f′(x)`, given `y = f(x)`.
pub fn activation_gradient(f: Activation, y: &Array, dy: &Array) -> Array {
    let values = y.values.iter().zip(&dy.values);
    Array {
        dims: y.dims.clone(),
        values: values
            .map(|(y, dy)| if f.slope(*y) == 0.0 { 0.0 } else { dy * f.slope(*y) })
            .collect(),
    }
}

/// `max(x, 0)`.
pub fn relu(x: &Array) -> Array {
    activation(Activation::Relu, x)
}

/// `dy` where `y` is above 0.
pub fn relu_gradient(y: &Array, dy: &Array) -> Array {
    activation_gradient(Activation::Relu, y, dy)
}
