//! Softmax cross-entropy in f64.

use crate::array::Array;

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

/// How right each guess is: 1 where the logit of the label is the largest, 1/n where n are, else 0.
pub fn right_guesses(logits: &Array, labels: &[u32]) -> Array {
    let k = logits.dims[1];
    let right = |(z, label): (&[f64], &u32)| {
        let above = z.iter().any(|other| *other > z[*label as usize]);
        let ties = z.iter().filter(|other| **other == z[*label as usize]).count();
        if above { 0.0 } else { 1.0 / ties as f64 }
    };
    let values = logits.values.chunks_exact(k).zip(labels).map(right).collect();
    Array { dims: vec![labels.len()], values }
}
