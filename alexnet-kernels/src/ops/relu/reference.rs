//! ReLU in f64.

use crate::array::Array;

/// `max(x, 0)`.
pub fn relu(x: &Array) -> Array {
    x.map(|x| if x <= 0.0 { 0.0 } else { x })
}

/// `dy` where `y` is above 0.
pub fn relu_gradient(y: &Array, dy: &Array) -> Array {
    let values = y.values.iter().zip(&dy.values);
    Array {
        dims: y.dims.clone(),
        values: values.map(|(y, dy)| if *y > 0.0 { *dy } else { 0.0 }).collect(),
    }
}
