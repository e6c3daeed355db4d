//! The input layer in f64.

use super::window::Window;
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

/// The same where the mean image is larger than the pixels, and a window for each image says which
/// part of it is subtracted.
pub fn input_aligned(
    scale: [f32; 3],
    pixels: &Array,
    mean: &Array,
    windows: &[Window],
    shift: &Array,
) -> Array {
    let [b, h, w, _] = pixels.four();
    let centred = |[b, i, j, c]: [usize; 4]| {
        let Window { top, left, flip } = windows[b];
        let column = if flip { w - 1 - j } else { j };
        pixels.get([b, i, j, c]) - mean.get([top + i, left + column, c, 0])
    };
    let centred = indices([b, h, w, 3]).map(centred).collect();
    let centred = Array { dims: pixels.dims.clone(), values: centred };
    input(scale, &centred, &Array::zeros(&[h, w, 3]), shift)
}
