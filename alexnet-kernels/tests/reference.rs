//! The references, which all else is held against: their gradients against central differences of
//! their values. Their values are held by the examples in the documentation, which are computed by
//! hand, and by `golden.rs`, which holds the same operations against PyTorch.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{
    AvgPool2d, Conv2dConfig, DropoutKey, Local2dConfig, Lrn, MapNorm, MaxPool2d, Padding,
};

/// `got` is the gradient of Σ dy·f(x) with respect to `x`.
#[track_caller]
fn check(what: &str, f: &dyn Fn(&Array) -> Array, x: &Array, dy: &Array, got: &Array) {
    const STEP: f64 = 1e-5;
    assert_eq!(got.dims, x.dims, "{what}");
    for i in 0..x.values.len() {
        let moved = |by: f64| {
            let mut x = x.clone();
            x.values[i] += by;
            f(&x).dot(dy)
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
    let config = Conv2dConfig { stride: 2, padding, groups: 2 };
    let size = config.output_size((6, 5), (3, 3)).unwrap();
    let dy = Array::random(&[2, 6, size.0, size.1], 4);
    let [dx, dw, db] = reference::conv_gradients(&config, &x, &w, &dy);
    check("conv dx", &|x| reference::conv(&config, x, &w, &bias, size), &x, &dy, &dx);
    check("conv dw", &|w| reference::conv(&config, &x, w, &bias, size), &w, &dy, &dw);
    check("conv db", &|bias| reference::conv(&config, &x, &w, bias, size), &bias, &dy, &db);

    let (rows, dense) = (Array::random(&[3, 5], 5), Array::random(&[4, 5], 6));
    let (bias, dy) = (Array::random(&[4], 7), Array::random(&[3, 4], 8));
    let [dx, dw, db] = reference::linear_gradients(&rows, &dense, &dy);
    check("linear dx", &|x| reference::linear(x, &dense, &bias), &rows, &dy, &dx);
    check("linear dw", &|w| reference::linear(&rows, w, &bias), &dense, &dy, &dw);
    check("linear db", &|bias| reference::linear(&rows, &dense, bias), &bias, &dy, &db);

    let config = Local2dConfig { kernel: 3, stride: 2, padding: 1 };
    let size = config.output_size((6, 5)).unwrap(); // 3 by 3
    let (w, bias) = (Array::random(&[18, 36], 11), Array::random(&[18], 12));
    let dy = Array::random(&[2, 2, size.0, size.1], 13);
    let [dx, dw, db] = reference::local_gradients(&config, &x, &w, &dy);
    check("local dx", &|x| reference::local(&config, [x, &w, &bias], size), &x, &dy, &dx);
    check("local dw", &|w| reference::local(&config, [&x, w, &bias], size), &w, &dy, &dw);
    check("local db", &|bias| reference::local(&config, [&x, &w, bias], size), &bias, &dy, &db);

    let dy = Array::random(&x.dims, 9);
    check("relu", &reference::relu, &x, &dy, &reference::relu_gradient(&reference::relu(&x), &dy));
    let key = DropoutKey { seed: 1, step: 2, layer: 3 };
    let dropout = |x: &Array| reference::dropout(key, 0.5, 2.0, x);
    check("dropout", &dropout, &x, &dy, &dropout(&dy));
    let norm = Lrn::new(3).alpha(3.0).k(1.0).towers(2);
    check("lrn", &|x| reference::lrn(&norm, x), &x, &dy, &reference::lrn_gradient(&norm, &x, &dy));
    let norm = MapNorm { n: 3, alpha: 9.0, beta: 0.75, k: 1.0 };
    let got = reference::map_norm_gradient(&norm, &x, &dy);
    check("map-norm", &|x| reference::map_norm(&norm, x), &x, &dy, &got);

    let pool = MaxPool2d::new(3, 2).ceil(true);
    let size = pool.output_size((6, 5)).unwrap();
    let dy = Array::random(&[2, 4, size.0, size.1], 10);
    let got = reference::max_pool_gradient(&pool, &x, &dy);
    check("max-pool", &|x| reference::max_pool(&pool, x, size), &x, &dy, &got);
    let pool = AvgPool2d::new(3, 2).ceil(true);
    let got = reference::avg_pool_gradient(&pool, &x, &dy);
    check("avg-pool", &|x| reference::avg_pool(&pool, x, size), &x, &dy, &got);
    let mean = |z: &Array| {
        let losses = reference::softmax_cross_entropy(z, &[1, 0, 4]).0;
        Array { dims: vec![1], values: vec![losses.values.iter().sum::<f64>() / 3.0] }
    };
    let one = Array { dims: vec![1], values: vec![1.0] };
    let got = reference::softmax_cross_entropy(&rows, &[1, 0, 4]).1;
    check("cross-entropy", &mean, &rows, &one, &got);
}

/// What neither PyTorch nor a gradient holds: which units stay. The first four words of Philox for
/// key and counter 0 are published (see `random.rs`); as fractions they are 0.40, 0.88, 0.74, 0.61.
#[test]
fn dropout_by_hand() {
    let x = Array { dims: vec![1, 4], values: vec![1.0, 2.0, 3.0, 4.0] };
    let key = DropoutKey { seed: 0, step: 0, layer: 0 };
    assert_eq!(reference::dropout(key, 0.7, 2.0, &x).values, [2.0, 0.0, 0.0, 8.0]);
}
