//! Average pooling in f64.

use std::ops::Range;

use super::AvgPool2d;
use crate::array::{Array, indices};

/// The rows and the columns of the map that the window (h, w) has.
fn window(op: &AvgPool2d, x: &Array, [h, w]: [usize; 2]) -> [Range<usize>; 2] {
    let [_, _, height, width] = x.four();
    let along = |at: usize, end: usize| at * op.stride..(at * op.stride + op.kernel).min(end);
    [along(h, height), along(w, width)]
}

/// `y`, of the given height and width.
pub fn avg_pool(op: &AvgPool2d, x: &Array, (h, w): (usize, usize)) -> Array {
    let dims = [x.dims[0], x.dims[1], h, w];
    let average = |[b, c, h, w]: [usize; 4]| {
        let [rows, columns] = window(op, x, [h, w]);
        let pixels = (rows.len() * columns.len()) as f64;
        let sum: f64 = rows.flat_map(|i| columns.clone().map(move |j| x.get([b, c, i, j]))).sum();
        sum / pixels
    };
    Array { dims: dims.to_vec(), values: indices(dims).map(average).collect() }
}

/// The gradient with respect to `x`.
pub fn avg_pool_gradient(op: &AvgPool2d, x: &Array, dy: &Array) -> Array {
    let mut dx = Array::zeros(&x.dims);
    for ([b, c, h, w], dy) in indices(dy.four()).zip(&dy.values) {
        let [rows, columns] = window(op, x, [h, w]);
        let share = dy / (rows.len() * columns.len()) as f64;
        for at in rows.flat_map(|i| columns.clone().map(move |j| [b, c, i, j])) {
            dx.add(at, share);
        }
    }
    dx
}
