//! The dense layer in f64.

use crate::array::Array;

/// `y` (B, O) of `x` (B, I) and `w` (O, I).
pub fn linear(x: &Array, w: &Array, bias: &Array) -> Array {
    let (inputs, outputs) = (x.dims[1], w.dims[0]);
    let mut y = Array::zeros(&[x.dims[0], outputs]);
    for (n, y) in y.values.iter_mut().enumerate() {
        let (b, o) = (n / outputs, n % outputs);
        let rows = x.values[b * inputs..][..inputs].iter().zip(&w.values[o * inputs..]);
        *y = bias.values[o] + rows.map(|(x, w)| x * w).sum::<f64>();
    }
    y
}

/// The gradients by `x`, `w` and the bias.
pub fn linear_gradients(x: &Array, w: &Array, dy: &Array) -> [Array; 3] {
    let (inputs, outputs) = (x.dims[1], w.dims[0]);
    let (mut dx, mut dw) = (Array::zeros(&x.dims), Array::zeros(&w.dims));
    let mut db = Array::zeros(&[outputs]);
    for (n, dy) in dy.values.iter().enumerate() {
        let (b, o) = (n / outputs, n % outputs);
        db.values[o] += dy;
        for i in 0..inputs {
            dx.values[b * inputs + i] += dy * w.values[o * inputs + i];
            dw.values[o * inputs + i] += dy * x.values[b * inputs + i];
        }
    }
    [dx, dw, db]
}
