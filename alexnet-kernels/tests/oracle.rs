//! The oracles' gradients against central differences of their values: what all else is compared with must be right.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Conv2d, Lrn, MapNorm, MaxPool2d, Padding};

/// `got` is the gradient of Σ dy·f(x) by `x`.
#[track_caller]
fn check(what: &str, f: &dyn Fn(&Array) -> Array, x: &Array, dy: &Array, got: &Array) {
    const STEP: f64 = 1e-5;
    assert_eq!(got.dims, x.dims, "{what}");
    let sum = |x: &Array| f(x).values.iter().zip(&dy.values).map(|(y, dy)| y * dy).sum::<f64>();
    for i in 0..x.values.len() {
        let moved = |by: f64| {
            let mut x = x.clone();
            x.values[i] += by;
            sum(&x)
        };
        let want = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        assert!((got.values[i] - want).abs() < 1e-7, "{what}[{i}]: {}, not {want}", got.values[i]);
    }
}

#[test]
fn gradients_are_those_of_the_values() {
    let (x, w) = (Array::random(&[2, 4, 6, 5], 1), Array::random(&[6, 2, 3, 3], 2));
    let bias = Array::random(&[6], 3);
    let padding = Padding { top: 0, bottom: 1, left: 2, right: 0 };
    let op = Conv2d { stride: 2, padding, groups: 2 };
    let size = op.output_size((6, 5), (3, 3)).unwrap();
    let dy = Array::random(&[2, 6, size.0, size.1], 4);
    let [dx, dw, db] = reference::conv_gradients(&op, &x, &w, &dy);
    check("conv dx", &|x| reference::conv(&op, x, &w, &bias, size), &x, &dy, &dx);
    check("conv dw", &|w| reference::conv(&op, &x, w, &bias, size), &w, &dy, &dw);
    check("conv db", &|bias| reference::conv(&op, &x, &w, bias, size), &bias, &dy, &db);

    let (rows, dense) = (Array::random(&[3, 5], 5), Array::random(&[4, 5], 6));
    let (bias, dy) = (Array::random(&[4], 7), Array::random(&[3, 4], 8));
    let [dx, dw, db] = reference::linear_gradients(&rows, &dense, &dy);
    check("linear dx", &|x| reference::linear(x, &dense, &bias), &rows, &dy, &dx);
    check("linear dw", &|w| reference::linear(&rows, w, &bias), &dense, &dy, &dw);
    check("linear db", &|bias| reference::linear(&rows, &dense, bias), &bias, &dy, &db);

    let dy = Array::random(&x.dims, 9);
    check("relu", &reference::relu, &x, &dy, &reference::relu_gradient(&reference::relu(&x), &dy));
    let norm = Lrn { n: 3, alpha: 3.0, beta: 0.75, k: 1.0, towers: 2, alpha_over_n: true };
    check("lrn", &|x| reference::lrn(&norm, x), &x, &dy, &reference::lrn_gradient(&norm, &x, &dy));
    let norm = MapNorm { n: 3, alpha: 9.0, beta: 0.75, k: 1.0 };
    let got = reference::map_norm_gradient(&norm, &x, &dy);
    check("map-norm", &|x| reference::map_norm(&norm, x), &x, &dy, &got);

    let pool = MaxPool2d { kernel: 3, stride: 2, ceil: true };
    let size = pool.output_size((6, 5)).unwrap();
    let dy = Array::random(&[2, 4, size.0, size.1], 10);
    let got = reference::max_pool_gradient(&pool, &x, &dy);
    check("max-pool", &|x| reference::max_pool(&pool, x, size), &x, &dy, &got);
    let mean = |z: &Array| {
        let losses = reference::softmax_cross_entropy(z, &[1, 0, 4]).0;
        Array { dims: vec![1], values: vec![losses.values.iter().sum::<f64>() / 3.0] }
    };
    let one = Array { dims: vec![1], values: vec![1.0] };
    let got = reference::softmax_cross_entropy(&rows, &[1, 0, 4]).1;
    check("softmax", &mean, &rows, &one, &got);
}
