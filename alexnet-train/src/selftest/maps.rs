//! Operations over maps: convolution, both norms, max-pooling.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Conv2d, InputGradient, Lrn, MapNorm, MaxPool2d, Padding};
use candle_core::Result;

use super::{Bench, bounds};

pub(super) fn test(bench: &mut Bench<'_>) -> Result<()> {
    let lopsided = Padding { top: 0, bottom: 1, left: 0, right: 1 };
    let odd = Padding { top: 0, bottom: 1, left: 2, right: 0 };
    let convolution = |stride, padding, groups| Conv2d { stride, padding, groups };
    // Layers 1, 2 and 3 of the network over small maps, and one whose sizes nothing divides.
    conv(bench, convolution(4, lopsided, 1), [2, 3, 34, 34], (48, 11))?;
    conv(bench, convolution(1, Padding::same(2), 2), [2, 32, 9, 9], (64, 5))?;
    conv(bench, convolution(1, Padding::same(1), 1), [3, 64, 6, 6], (96, 3))?;
    conv(bench, convolution(2, odd, 1), [1, 5, 9, 8], (7, 3))?;

    let norm = Lrn { n: 5, alpha: 1e-4, beta: 0.75, k: 2.0, towers: 2, alpha_over_n: true };
    lrn(bench, norm, [2, 96, 5, 7])?;
    // Strong enough for a wrong term to show.
    lrn(bench, Lrn { alpha: 5.0, k: 1.0, ..norm }, [2, 64, 5, 3])?;
    lrn(bench, Lrn { n: 3, alpha: 1.0, towers: 1, alpha_over_n: false, ..norm }, [3, 7, 4, 5])?;

    let norm = MapNorm { n: 5, alpha: 0.001, beta: 0.75, k: 1.0 };
    map_norm(bench, norm, [2, 16, 11, 9])?;
    map_norm(bench, MapNorm { n: 3, alpha: 9.0, ..norm }, [2, 5, 6, 4])?;

    max_pool(bench, MaxPool2d { kernel: 3, stride: 2, ceil: false }, [2, 48, 13, 13])?;
    max_pool(bench, MaxPool2d { kernel: 3, stride: 2, ceil: true }, [3, 7, 8, 10])?;
    max_pool(bench, MaxPool2d { kernel: 17, stride: 3, ceil: true }, [1, 3, 19, 22])
}

/// `dx` where `x` is above 0: what a layer behind a rectifier gives to the layer before it.
fn rectified(x: &Array, dx: &Array) -> Array {
    reference::relu_gradient(x, dx)
}

fn conv(
    bench: &mut Bench<'_>,
    op: Conv2d,
    x: [usize; 4],
    (out, kernel): (usize, usize),
) -> Result<()> {
    let size = op.output_size((x[2], x[3]), (kernel, kernel))?;
    let w = [out, x[1] / op.groups, kernel, kernel];
    let (batch, precision) = (x[0], bench.precision());
    let (x, x_exact) = bench.stored(&reference::relu(&Array::random(&x, 1)))?;
    let (w, w_exact) = bench.random(&w, 2)?;
    let (bias, bias_exact) = bench.exact(&Array::random(&[out], 3))?;
    let y = reference::conv(&op, &x_exact, &w_exact, &bias_exact, size);
    // On a card the product and the sum with the bias are rounded to bf16, one after the other.
    let bound = bounds::products(precision, w_exact.values.len() / out, 2);
    bench.compare("conv2d", "y", &op.forward(&x, &w, &bias)?, &y, bound)?;
    let with_relu = op.forward_relu(&x, &w, &bias)?;
    bench.compare("conv2d", "relu(y)", &with_relu, &reference::relu(&y), bound)?;

    let (dy, dy_exact) = bench.random(&y.dims, 4)?;
    let [dx, dw, db] = reference::conv_gradients(&op, &x_exact, &w_exact, &dy_exact);
    let got = op.backward(&x, &w, &dy, InputGradient::Plain)?;
    let (pixels, terms) = (batch * size.0 * size.1, out / op.groups * kernel * kernel);
    let by_input = bounds::products(precision, terms, 1);
    if let Some(got) = &got.input {
        bench.compare("conv2d", "dx", got, &dx, by_input)?;
    }
    bench.compare("conv2d", "dw", &got.weight, &dw, bounds::products(precision, pixels, 1))?;
    bench.compare("conv2d", "db", &got.bias, &db, bounds::in_f32(pixels))?;
    let got = op.backward(&x, &w, &dy, InputGradient::Rectified)?;
    match &got.input {
        Some(got) => {
            bench.compare("conv2d", "dx, rectified", got, &rectified(&x_exact, &dx), by_input)
        }
        None => candle_core::bail!("conv2d: no gradient by the input"),
    }
}

fn lrn(bench: &mut Bench<'_>, op: Lrn, dims: [usize; 4]) -> Result<()> {
    let bound = bounds::formula(bench.precision());
    let ((x, x_exact), (dy, dy_exact)) = (bench.random(&dims, 5)?, bench.random(&dims, 6)?);
    bench.compare("lrn", "y", &op.forward(&x)?, &reference::lrn(&op, &x_exact), bound)?;
    let dx = reference::lrn_gradient(&op, &x_exact, &dy_exact);
    bench.compare("lrn", "dx", &op.backward(&x, &dy)?, &dx, bound)?;
    let got = op.backward_rectified(&x, &dy)?;
    bench.compare("lrn", "dx, rectified", &got, &rectified(&x_exact, &dx), bound)
}

fn map_norm(bench: &mut Bench<'_>, op: MapNorm, dims: [usize; 4]) -> Result<()> {
    let bound = bounds::formula(bench.precision());
    let ((x, x_exact), (dy, dy_exact)) = (bench.random(&dims, 7)?, bench.random(&dims, 8)?);
    bench.compare("map-norm", "y", &op.forward(&x)?, &reference::map_norm(&op, &x_exact), bound)?;
    let dx = reference::map_norm_gradient(&op, &x_exact, &dy_exact);
    bench.compare("map-norm", "dx", &op.backward(&x, &dy)?, &dx, bound)?;
    let got = op.backward_rectified(&x, &dy)?;
    bench.compare("map-norm", "dx, rectified", &got, &rectified(&x_exact, &dx), bound)
}

fn max_pool(bench: &mut Bench<'_>, op: MaxPool2d, dims: [usize; 4]) -> Result<()> {
    let (size, map) = (op.output_size((dims[2], dims[3]))?, (dims[2], dims[3]));
    let bound = bounds::formula(bench.precision());
    let (x, x_exact) = bench.random(&dims, 9)?;
    let y = reference::max_pool(&op, &x_exact, size);
    // A value is passed on as it is.
    bench.compare("max-pool", "y", &op.forward(&x)?, &y, 0.0)?;
    let (dy, dy_exact) = bench.random(&y.dims, 10)?;
    let pooled = op.forward_argmax(&x, false, InputGradient::Plain)?;
    bench.compare("max-pool", "y, places kept", &pooled.output, &y, 0.0)?;
    let dx = reference::max_pool_gradient(&op, &x_exact, &dy_exact);
    let got = op.backward_argmax(&pooled.argmax, &dy, map)?;
    bench.compare("max-pool", "dx", &got, &dx, bound)?;

    let pooled = op.forward_argmax(&x, true, InputGradient::Rectified)?;
    bench.compare("max-pool", "relu(y)", &pooled.output, &reference::relu(&y), 0.0)?;
    let passed =
        reference::max_pool_gradient(&op, &x_exact, &reference::relu_gradient(&y, &dy_exact));
    let got = op.backward_argmax(&pooled.argmax, &dy, map)?;
    bench.compare("max-pool", "dx, rectified", &got, &passed, bound)
}
