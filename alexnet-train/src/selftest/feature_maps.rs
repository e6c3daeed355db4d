//! Operations over feature maps: convolution, both norms, max-pooling.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{
    Conv2d, Conv2dConfig, Epilogue, InputGrad, Lrn, MapNorm, MaxPool2d, Padding,
};
use candle_core::{Module, Result};

use super::dense::computed;
use super::{Bench, bounds};

pub(super) fn test(bench: &mut Bench<'_>) -> Result<()> {
    let lopsided = Padding::right_bottom(1);
    let odd = Padding { top: 0, bottom: 1, left: 2, right: 0 };
    let config = |stride, padding, groups| Conv2dConfig { stride, padding, groups };
    // Layers 1, 2 and 3 of the network over small maps, and one whose sizes nothing divides.
    conv2d(bench, config(4, lopsided, 1), [2, 3, 34, 34], (48, 11))?;
    conv2d(bench, config(1, Padding::same(2), 2), [2, 32, 9, 9], (64, 5))?;
    conv2d(bench, config(1, Padding::same(1), 1), [3, 64, 6, 6], (96, 3))?;
    conv2d(bench, config(2, odd, 1), [1, 5, 9, 8], (7, 3))?;

    let norm = Lrn::ALEXNET.towers(2);
    lrn(bench, norm, [2, 96, 5, 7])?;
    // Strong enough for a wrong term to show.
    lrn(bench, norm.alpha(5.0).k(1.0), [2, 64, 5, 3])?;
    lrn(bench, Lrn::new(3).alpha(1.0).alpha_over_n(false), [3, 7, 4, 5])?;

    let norm = MapNorm { n: 5, alpha: 0.001, beta: 0.75, k: 1.0 };
    map_norm(bench, norm, [2, 16, 11, 9])?;
    map_norm(bench, MapNorm { n: 3, alpha: 9.0, ..norm }, [2, 5, 6, 4])?;

    max_pool(bench, MaxPool2d::new(3, 2), [2, 48, 13, 13])?;
    max_pool(bench, MaxPool2d::new(3, 2).ceil(true), [3, 7, 8, 10])?;
    max_pool(bench, MaxPool2d::new(17, 3).ceil(true), [1, 3, 19, 22])
}

fn conv2d(
    bench: &mut Bench<'_>,
    config: Conv2dConfig,
    x: [usize; 4],
    (out, kernel): (usize, usize),
) -> Result<()> {
    let size = config.output_size((x[2], x[3]), (kernel, kernel))?;
    let w = [out, x[1] / config.groups, kernel, kernel];
    let (batch, precision) = (x[0], bench.precision());
    let (x, x_exact) = bench.stored(&reference::relu(&Array::random(&x, 1)))?;
    let (w, w_exact) = bench.random(&w, 2)?;
    let (bias, bias_exact) = bench.exact(&Array::random(&[out], 3))?;
    let y = reference::conv(&config, &x_exact, &w_exact, &bias_exact, size);
    // On a GPU the sum over the window and that with the bias are rounded to bf16 one after the other.
    let bound = bounds::matmul(precision, w_exact.values.len() / out, 2);
    let conv = Conv2d::new(w, bias, config)?;
    bench.compare("conv2d", "y", &conv.forward(&x)?, &y, bound)?;
    let with_relu = conv.forward_fused(&x, Epilogue::Relu)?;
    bench.compare("conv2d", "relu(y)", &with_relu, &reference::relu(&y), bound)?;

    let (dy, dy_exact) = bench.random(&y.dims, 4)?;
    let [dx, dw, db] = reference::conv_gradients(&config, &x_exact, &w_exact, &dy_exact);
    let plain = conv.backward(&x, &dy, InputGrad::Plain)?;
    let (pixels, terms) = (batch * size.0 * size.1, out / config.groups * kernel * kernel);
    let bound = bounds::matmul(precision, terms, 1);
    bench.compare("conv2d", "dx", computed(&plain.input)?, &dx, bound)?;
    bench.compare("conv2d", "dw", &plain.weight, &dw, bounds::matmul(precision, pixels, 1))?;
    bench.compare("conv2d", "db", &plain.bias, &db, bounds::in_f32(pixels))?;
    let through = conv.backward(&x, &dy, InputGrad::ThroughRelu)?;
    let masked = reference::relu_gradient(&x_exact, &dx);
    bench.compare("conv2d", "dx through relu", computed(&through.input)?, &masked, bound)
}

fn lrn(bench: &mut Bench<'_>, op: Lrn, dims: [usize; 4]) -> Result<()> {
    let bound = bounds::formula(bench.precision());
    let ((x, x_exact), (dy, dy_exact)) = (bench.random(&dims, 5)?, bench.random(&dims, 6)?);
    bench.compare("lrn", "y", &op.forward(&x)?, &reference::lrn(&op, &x_exact), bound)?;
    let dx = reference::lrn_gradient(&op, &x_exact, &dy_exact);
    let masked = reference::relu_gradient(&x_exact, &dx);
    for (what, input, want) in
        [("dx", InputGrad::Plain, &dx), ("dx through relu", InputGrad::ThroughRelu, &masked)]
    {
        bench.compare("lrn", what, computed(&op.backward(&x, &dy, input)?)?, want, bound)?;
    }
    Ok(())
}

fn map_norm(bench: &mut Bench<'_>, op: MapNorm, dims: [usize; 4]) -> Result<()> {
    let bound = bounds::formula(bench.precision());
    let ((x, x_exact), (dy, dy_exact)) = (bench.random(&dims, 7)?, bench.random(&dims, 8)?);
    bench.compare("map-norm", "y", &op.forward(&x)?, &reference::map_norm(&op, &x_exact), bound)?;
    let dx = reference::map_norm_gradient(&op, &x_exact, &dy_exact);
    let masked = reference::relu_gradient(&x_exact, &dx);
    for (what, input, want) in
        [("dx", InputGrad::Plain, &dx), ("dx through relu", InputGrad::ThroughRelu, &masked)]
    {
        bench.compare("map-norm", what, computed(&op.backward(&x, &dy, input)?)?, want, bound)?;
    }
    Ok(())
}

fn max_pool(bench: &mut Bench<'_>, op: MaxPool2d, dims: [usize; 4]) -> Result<()> {
    let (size, map) = (op.output_size((dims[2], dims[3]))?, (dims[2], dims[3]));
    let bound = bounds::formula(bench.precision());
    let (x, x_exact) = bench.random(&dims, 9)?;
    let y = reference::max_pool(&op, &x_exact, size);
    // A value is passed on as it is.
    bench.compare("max-pool", "y", &op.forward(&x)?, &y, 0.0)?;
    let (dy, dy_exact) = bench.random(&y.dims, 10)?;
    let pooled = op.forward_with_argmax(&x, Epilogue::None, InputGrad::Plain)?;
    bench.compare("max-pool", "y with argmax", &pooled.output, &y, 0.0)?;
    let dx = reference::max_pool_gradient(&op, &x_exact, &dy_exact);
    bench.compare("max-pool", "dx", &op.backward(&pooled.argmax, &dy, map)?, &dx, bound)?;

    let pooled = op.forward_with_argmax(&x, Epilogue::Relu, InputGrad::ThroughRelu)?;
    bench.compare("max-pool", "relu(y)", &pooled.output, &reference::relu(&y), 0.0)?;
    let masked_dy = reference::relu_gradient(&y, &dy_exact);
    let masked = reference::max_pool_gradient(&op, &x_exact, &masked_dy);
    let got = op.backward(&pooled.argmax, &dy, map)?;
    bench.compare("max-pool", "dx through relu", &got, &masked, bound)
}
