//! Convolution in f64.

use super::config::Conv2dConfig;
use crate::array::{Array, indices};

/// Calls `f` with the indices in `y`, `x` and `w` of every product that a convolution sums.
fn taps(
    config: &Conv2dConfig,
    y: [usize; 4],
    x: [usize; 4],
    w: [usize; 4],
    mut f: impl FnMut([usize; 4], [usize; 4], [usize; 4]),
) {
    let (of_group, outputs) = (w[1], y[1] / config.groups);
    for at @ [b, o, h, column] in indices(y) {
        for [_, c, i, j] in indices([1, of_group, w[2], w[3]]) {
            let row = (h * config.stride + i).checked_sub(config.padding.top);
            let col = (column * config.stride + j).checked_sub(config.padding.left);
            let (Some(row), Some(col)) = (row, col) else { continue };
            if row < x[2] && col < x[3] {
                f(at, [b, o / outputs * of_group + c, row, col], [o, c, i, j]);
            }
        }
    }
}

/// `y`, of the given height and width.
pub fn conv(
    config: &Conv2dConfig,
    x: &Array,
    w: &Array,
    bias: &Array,
    (h, width): (usize, usize),
) -> Array {
    let mut y = Array::zeros(&[x.dims[0], w.dims[0], h, width]);
    for at in indices(y.four()) {
        y.add(at, bias.values[at[1]]);
    }
    taps(config, y.four(), x.four(), w.four(), |at, from, by| y.add(at, x.get(from) * w.get(by)));
    y
}

/// The gradients with respect to `x`, `w` and the bias.
pub fn conv_gradients(config: &Conv2dConfig, x: &Array, w: &Array, dy: &Array) -> [Array; 3] {
    let (mut dx, mut dw) = (Array::zeros(&x.dims), Array::zeros(&w.dims));
    taps(config, dy.four(), x.four(), w.four(), |at, from, by| {
        dx.add(from, dy.get(at) * w.get(by));
        dw.add(by, dy.get(at) * x.get(from));
    });
    let mut db = Array::zeros(&w.dims[..1]);
    for at in indices(dy.four()) {
        db.values[at[1]] += dy.get(at);
    }
    [dx, dw, db]
}
