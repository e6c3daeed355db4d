//! The update rule in f64.

use super::Sgd;
use crate::array::Array;

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
