//! Input, dropout, loss and update.

use super::{Array, indices};
use crate::{DropoutKey, Sgd, philox4x32, uniform};

/// Pixels (B, H, W, 3) to (B, 3, H, W); the mean is (H, W, 3), shifts are (B, 3).
pub fn input(scale: [f32; 3], pixels: &Array, mean: &Array, shift: &Array) -> Array {
    let [b, h, w, _] = pixels.four();
    let y = |[b, c, i, j]: [usize; 4]| {
        let mean = mean.values[(i * w + j) * 3 + c];
        (pixels.get([b, i, j, c]) - mean + shift.values[3 * b + c]) * f64::from(scale[c])
    };
    Array { dims: vec![b, 3, h, w], values: indices([b, 3, h, w]).map(y).collect() }
}

/// Dropout in training: `factor · x` where a unit stays. Its gradient is the same of `dy`.
pub fn dropout(key: DropoutKey, keep: f32, factor: f64, x: &Array) -> Array {
    let (seed, step) = ([key.seed as u32, (key.seed >> 32) as u32], key.step);
    let stays = |element: usize| {
        let counter = [(element / 4) as u32, key.layer, step as u32, (step >> 32) as u32];
        uniform(philox4x32(seed, counter)[element % 4]) < keep
    };
    let values = x.values.iter().enumerate();
    let values = values.map(|(element, x)| if stays(element) { factor * x } else { 0.0 });
    Array { dims: x.dims.clone(), values: values.collect() }
}

/// Logits (B, K) to the losses (B), and the gradient of their mean (B, K).
pub fn softmax_cross_entropy(logits: &Array, labels: &[u32]) -> (Array, Array) {
    let (b, k) = (logits.dims[0], logits.dims[1]);
    let (mut losses, mut gradient) = (Array::zeros(&[b]), Array::zeros(&[b, k]));
    for (row, &label) in labels.iter().enumerate() {
        let z = &logits.values[row * k..][..k];
        let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = z.iter().map(|z| (z - top).exp()).sum();
        losses.values[row] = sum.ln() - (z[label as usize] - top);
        for (j, z) in z.iter().enumerate() {
            let one = if j == label as usize { 1.0 } else { 0.0 };
            gradient.values[row * k + j] = ((z - top).exp() / sum - one) / b as f64;
        }
    }
    (losses, gradient)
}

/// Weights and velocity (2, n) after an update by `g`.
pub fn sgd(rule: Sgd, state: &Array, g: &Array) -> Array {
    let [rate, momentum, decay] = [rule.rate, rule.momentum, rule.decay].map(f64::from);
    let (n, mut after) = (g.values.len(), state.clone());
    for (i, g) in g.values.iter().enumerate() {
        let (w, v) = (state.values[i], state.values[n + i]);
        after.values[n + i] = momentum * v - decay * rate * w - rate * g;
        after.values[i] = w + after.values[n + i];
    }
    after
}
