//! The input layer in f64.

use crate::array::{Array, indices};

/// Pixels (B, H, W, 3) to (B, 3, H, W); the mean is (H, W, 3), shifts are (B, 3).
pub fn input(scale: [f32; 3], pixels: &Array, mean: &Array, shift: &Array) -> Array {
    let [b, h, w, _] = pixels.four();
    let y = |[b, c, i, j]: [usize; 4]| {
        let mean = mean.values[(i * w + j) * 3 + c];
        (pixels.get([b, i, j, c]) - mean + shift.values[3 * b + c]) * f64::from(scale[c])
    };
    Array { dims: vec![b, 3, h, w], values: indices([b, 3, h, w]).map(y).collect() }
}
