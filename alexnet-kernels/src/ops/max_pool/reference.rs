//! Max-pooling in f64.

use super::MaxPool2d;
use crate::array::{Array, indices};

/// The index of the first maximum of each window.
fn maxima(op: &MaxPool2d, x: &Array, y: [usize; 4]) -> Vec<[usize; 4]> {
    let [_, _, height, width] = x.four();
    let first = |[b, c, h, w]: [usize; 4]| {
        let rows = h * op.stride..(h * op.stride + op.kernel).min(height);
        let columns = w * op.stride..(w * op.stride + op.kernel).min(width);
        let mut best = [b, c, rows.start, columns.start];
        for at in rows.flat_map(|i| columns.clone().map(move |j| [b, c, i, j])) {
            if x.get(at) > x.get(best) {
                best = at;
            }
        }
        best
    };
    indices(y).map(first).collect()
}

/// `y`, of the given height and width.
pub fn max_pool(op: &MaxPool2d, x: &Array, (h, w): (usize, usize)) -> Array {
    let dims = vec![x.dims[0], x.dims[1], h, w];
    let maxima = maxima(op, x, [dims[0], dims[1], h, w]);
    Array { dims, values: maxima.into_iter().map(|at| x.get(at)).collect() }
}

/// The gradient with respect to `x`.
pub fn max_pool_gradient(op: &MaxPool2d, x: &Array, dy: &Array) -> Array {
    let mut dx = Array::zeros(&x.dims);
    for (at, dy) in maxima(op, x, dy.four()).into_iter().zip(&dy.values) {
        dx.add(at, *dy);
    }
    dx
}
