//! Operations on feature maps: convolution, local layers, both norms, both poolings, and LRN with
//! max-pooling in one.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{
    AvgPool2d, Conv2d, Conv2dConfig, Epilogue, InputGrad, Local2d, Local2dConfig, Lrn, LrnPool,
    MapNorm, MaxPool2d, Padding,
};
use candle_core::{Module, Result};

use super::bounds;
use super::comparisons::Comparisons;

pub(super) fn compare(test: &mut Comparisons<'_>) {
    let right_bottom = Padding::right_bottom(1);
    let odd = Padding { top: 0, bottom: 1, left: 2, right: 0 };
    let config = |stride, padding, groups| Conv2dConfig { stride, padding, groups };
    // Layers 1, 2 and 3 of the network on small maps, and one of sizes that no tile divides.
    for (config, dims, filters) in [
        (config(4, right_bottom, 1), [2, 3, 34, 34], (48, 11)),
        (config(1, Padding::same(2), 2), [2, 32, 9, 9], (64, 5)),
        (config(1, Padding::same(1), 1), [3, 64, 6, 6], (96, 3)),
        (config(2, odd, 1), [1, 5, 9, 8], (7, 3)),
    ] {
        test.attempt("conv2d", |test| conv2d(test, config, dims, filters));
    }

    // A local layer of the CIFAR-10 networks on smaller maps, and one that no tile divides.
    for (config, dims, filters) in [
        (Local2dConfig { kernel: 3, stride: 1, padding: 1 }, [5, 32, 3, 4], 64),
        (Local2dConfig { kernel: 2, stride: 2, padding: 1 }, [70, 3, 3, 2], 5),
    ] {
        test.attempt("local2d", |test| local2d(test, config, dims, filters));
    }

    let norm = Lrn::ALEXNET.towers(2);
    for (norm, dims) in [
        (norm, [2, 96, 5, 7]),
        // Strong enough for a wrong term to show.
        (norm.alpha(5.0).k(1.0), [2, 64, 5, 3]),
        (Lrn::new(3).alpha(1.0).alpha_over_n(false), [3, 7, 4, 5]),
    ] {
        test.attempt("lrn", |test| lrn(test, norm, dims));
    }

    let norm = MapNorm { n: 5, alpha: 0.001, beta: 0.75, k: 1.0 };
    for (norm, dims) in
        [(norm, [2, 16, 11, 9]), (MapNorm { n: 3, alpha: 9.0, ..norm }, [2, 5, 6, 4])]
    {
        test.attempt("map-norm", |test| map_norm(test, norm, dims));
    }

    for (pool, dims) in [
        (MaxPool2d::new(3, 2), [2, 48, 13, 13]),
        (MaxPool2d::new(3, 2).ceil(true), [3, 7, 8, 10]),
        (MaxPool2d::new(17, 3).ceil(true), [1, 3, 19, 22]),
    ] {
        test.attempt("max-pool", |test| max_pool(test, pool, dims));
    }

    for (pool, dims) in
        [(AvgPool2d::new(3, 2).ceil(true), [2, 32, 16, 16]), (AvgPool2d::new(2, 3), [3, 7, 8, 10])]
    {
        test.attempt("avg-pool", |test| avg_pool(test, pool, dims));
    }

    // Strong enough for values not to be so near to each other that rounding decides which is the
    // largest of a window.
    let lrn = Lrn::ALEXNET.towers(2).alpha(5.0).k(1.0);
    for ceil in [false, true] {
        let op = LrnPool { lrn, pool: MaxPool2d::new(3, 2).ceil(ceil) };
        test.attempt("lrn-pool", |test| lrn_pool(test, op, [2, 96, 12, 9]));
    }
}

fn conv2d(
    test: &mut Comparisons<'_>,
    config: Conv2dConfig,
    x: [usize; 4],
    (out, kernel): (usize, usize),
) -> Result<()> {
    let size = config.output_size((x[2], x[3]), (kernel, kernel))?;
    let w = [out, x[1] / config.groups, kernel, kernel];
    let (batch, precision) = (x[0], test.precision());
    let (x, x_exact) = test.activations(&reference::relu(&Array::random(&x, 1)))?;
    let (w, w_exact) = test.random(&w, 2)?;
    let (bias, bias_exact) = test.f32(&Array::random(&[out], 3))?;
    let y = reference::conv(&config, &x_exact, &w_exact, &bias_exact, size);
    // On a GPU the sum over the window is rounded to bf16, and so is its sum with the bias.
    let bound = bounds::matmul(precision, w_exact.values.len() / out, 2);
    let conv = Conv2d::new(w, bias, config)?;
    test.compare("conv2d", "y", conv.forward(&x), &y, bound);
    let with_relu = conv.forward_fused(&x, Epilogue::Relu);
    test.compare("conv2d", "relu(y)", with_relu, &reference::relu(&y), bound);

    let (dy, dy_exact) = test.random(&y.dims, 4)?;
    let [dx, dw, db] = reference::conv_gradients(&config, &x_exact, &w_exact, &dy_exact);
    let (pixels, terms) = (batch * size.0 * size.1, out / config.groups * kernel * kernel);
    let bound = bounds::matmul(precision, terms, 1);
    let backward = |input| Ok(conv.backward(&x, &dy, input)?.input);
    test.compare_input_grads("conv2d", &x_exact, &dx, bound, backward);
    let (dw_bound, db_bound) = (bounds::matmul(precision, pixels, 1), bounds::in_f32(pixels));
    let grads = conv.backward(&x, &dy, InputGrad::Skip).map(|grads| [grads.weight, grads.bias]);
    test.compare_all("conv2d", grads, [("dw", &dw, dw_bound), ("db", &db, db_bound)]);
    Ok(())
}

fn local2d(
    test: &mut Comparisons<'_>,
    config: Local2dConfig,
    x: [usize; 4],
    filters: usize,
) -> Result<()> {
    let (size, precision) = (config.output_size((x[2], x[3]))?, test.precision());
    let (batch, channels) = (x[0], x[1]);
    let (outputs, window) = (size.0 * size.1 * filters, config.kernel * config.kernel * channels);
    let (x, x_exact) = test.activations(&reference::relu(&Array::random(&x, 51)))?;
    let (w, w_exact) = test.random(&[outputs, window], 52)?;
    let (bias, bias_exact) = test.f32(&Array::random(&[outputs], 53))?;
    let y = reference::local(&config, [&x_exact, &w_exact, &bias_exact], size);
    let bound = bounds::matmul(precision, window, 1);
    let layer = Local2d::new(w, bias, config)?;
    test.compare("local2d", "y", layer.forward(&x), &y, bound);
    let with_relu = layer.forward_fused(&x, Epilogue::Relu);
    test.compare("local2d", "relu(y)", with_relu, &reference::relu(&y), bound);

    let (dy, dy_exact) = test.random(&y.dims, 54)?;
    let [dx, dw, db] = reference::local_gradients(&config, &x_exact, &w_exact, &dy_exact);
    let bound = bounds::matmul(precision, filters * config.kernel * config.kernel, 1);
    let backward = |input| Ok(layer.backward(&x, &dy, input)?.input);
    test.compare_input_grads("local2d", &x_exact, &dx, bound, backward);
    let (dw_bound, db_bound) = (bounds::matmul(precision, batch, 1), bounds::in_f32(batch));
    let grads = layer.backward(&x, &dy, InputGrad::Skip).map(|grads| [grads.weight, grads.bias]);
    test.compare_all("local2d", grads, [("dw", &dw, dw_bound), ("db", &db, db_bound)]);
    Ok(())
}

fn lrn(test: &mut Comparisons<'_>, op: Lrn, dims: [usize; 4]) -> Result<()> {
    let bound = bounds::formula(test.precision());
    let ((x, x_exact), (dy, dy_exact)) = (test.random(&dims, 5)?, test.random(&dims, 6)?);
    test.compare("lrn", "y", op.forward(&x), &reference::lrn(&op, &x_exact), bound);
    let dx = reference::lrn_gradient(&op, &x_exact, &dy_exact);
    let backward = |input| op.backward(&x, &dy, input);
    test.compare_input_grads("lrn", &x_exact, &dx, bound, backward);
    Ok(())
}

fn map_norm(test: &mut Comparisons<'_>, op: MapNorm, dims: [usize; 4]) -> Result<()> {
    let bound = bounds::formula(test.precision());
    let ((x, x_exact), (dy, dy_exact)) = (test.random(&dims, 7)?, test.random(&dims, 8)?);
    test.compare("map-norm", "y", op.forward(&x), &reference::map_norm(&op, &x_exact), bound);
    let dx = reference::map_norm_gradient(&op, &x_exact, &dy_exact);
    let backward = |input| op.backward(&x, &dy, input);
    test.compare_input_grads("map-norm", &x_exact, &dx, bound, backward);
    Ok(())
}

fn max_pool(test: &mut Comparisons<'_>, op: MaxPool2d, dims: [usize; 4]) -> Result<()> {
    let (size, map) = (op.output_size((dims[2], dims[3]))?, (dims[2], dims[3]));
    let bound = bounds::formula(test.precision());
    let (x, x_exact) = test.random(&dims, 9)?;
    let y = reference::max_pool(&op, &x_exact, size);
    // Values are copied, so there is nothing to round.
    test.compare("max-pool", "y", op.forward(&x), &y, 0.0);
    let (dy, dy_exact) = test.random(&y.dims, 10)?;
    let pooled = op.forward_with_argmax(&x, Epilogue::None, InputGrad::Plain)?;
    test.compare("max-pool", "y with argmax", Ok(pooled.output), &y, 0.0);
    let dx = reference::max_pool_gradient(&op, &x_exact, &dy_exact);
    test.compare("max-pool", "dx", op.backward(&pooled.argmax, &dy, map), &dx, bound);

    let pooled = op.forward_with_argmax(&x, Epilogue::Relu, InputGrad::ThroughRelu)?;
    test.compare("max-pool", "relu(y)", Ok(pooled.output), &reference::relu(&y), 0.0);
    let masked_dy = reference::relu_gradient(&y, &dy_exact);
    let masked = reference::max_pool_gradient(&op, &x_exact, &masked_dy);
    let got = op.backward(&pooled.argmax, &dy, map);
    test.compare("max-pool", "dx through relu", got, &masked, bound);
    Ok(())
}

fn avg_pool(test: &mut Comparisons<'_>, op: AvgPool2d, dims: [usize; 4]) -> Result<()> {
    let (size, bound) = (op.output_size((dims[2], dims[3]))?, bounds::formula(test.precision()));
    let (x, x_exact) = test.random(&dims, 55)?;
    let y = reference::avg_pool(&op, &x_exact, size);
    test.compare("avg-pool", "y", op.forward(&x), &y, bound);
    let (dy, dy_exact) = test.random(&y.dims, 56)?;
    let dx = reference::avg_pool_gradient(&op, &x_exact, &dy_exact);
    let backward = |input| op.backward(&x, &dy, input);
    test.compare_input_grads("avg-pool", &x_exact, &dx, bound, backward);
    Ok(())
}

fn lrn_pool(test: &mut Comparisons<'_>, op: LrnPool, dims: [usize; 4]) -> Result<()> {
    let bound = bounds::formula(test.precision());
    let (x, x_exact) = test.random(&dims, 11)?;
    let y = reference::lrn_pool(&op, &x_exact, op.pool.output_size((dims[2], dims[3]))?);
    let (dy, dy_exact) = test.random(&y.dims, 12)?;
    let rectified_dy = reference::relu_gradient(&y, &dy_exact);
    for (epilogue, what, y, dy_exact) in [
        (Epilogue::None, "y", &y, &dy_exact),
        (Epilogue::Relu, "relu(y)", &reference::relu(&y), &rectified_dy),
    ] {
        let pooled = op.forward_with_argmax(&x, epilogue)?;
        test.compare("lrn-pool", what, Ok(pooled.output), y, bound);
        let dx = reference::lrn_pool_gradient(&op, &x_exact, dy_exact);
        let backward = |input| op.backward(&x, &pooled.argmax, &dy, input);
        test.compare_input_grads("lrn-pool", &x_exact, &dx, bound, backward);
    }
    Ok(())
}
