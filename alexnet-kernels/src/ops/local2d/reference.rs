//! The local layer in f64.

use super::Local2dConfig;
use crate::array::{Array, indices};

/// `f` of every product: the indices of an output and an input, and of their weight in the weights.
fn each_term(
    config: &Local2dConfig,
    [x, y]: [[usize; 4]; 2],
    mut f: impl FnMut([usize; 4], [usize; 4], usize),
) {
    let Local2dConfig { kernel, stride, padding } = *config;
    let [_, channels, height, width] = x;
    for out @ [b, o, h, w] in indices(y) {
        for [i, j, c, _] in indices([kernel, kernel, channels, 1]) {
            let (row, column) = (h * stride + i, w * stride + j); // with the padding
            let inside = |at: usize, length: usize| at >= padding && at < length + padding;
            if inside(row, height) && inside(column, width) {
                let place = (h * y[3] + w) * y[1] + o;
                let weight = ((place * kernel + i) * kernel + j) * channels + c;
                f(out, [b, c, row - padding, column - padding], weight);
            }
        }
    }
}

/// `y`, of the given height and width.
pub fn local(
    config: &Local2dConfig,
    [x, w, bias]: [&Array; 3],
    (height, width): (usize, usize),
) -> Array {
    let filters = bias.values.len() / (height * width);
    let dims = [x.dims[0], filters, height, width];
    let mut y = Array::zeros(&dims);
    for at @ [_, o, h, w] in indices(dims) {
        y.add(at, bias.values[(h * width + w) * filters + o]);
    }
    each_term(config, [x.four(), dims], |out, input, weight| {
        y.add(out, x.get(input) * w.values[weight]);
    });
    y
}

/// The gradients with respect to `x`, `w` and the bias.
pub fn local_gradients(config: &Local2dConfig, x: &Array, w: &Array, dy: &Array) -> [Array; 3] {
    let (mut dx, mut dw) = (Array::zeros(&x.dims), Array::zeros(&w.dims));
    let mut db = Array::zeros(&[w.dims[0]]);
    each_term(config, [x.four(), dy.four()], |out, input, weight| {
        dx.add(input, dy.get(out) * w.values[weight]);
        dw.values[weight] += dy.get(out) * x.get(input);
    });
    let [_, filters, _, width] = dy.four();
    for ([_, o, h, w], dy) in indices(dy.four()).zip(&dy.values) {
        db.values[(h * width + w) * filters + o] += dy;
    }
    [dx, dw, db]
}
