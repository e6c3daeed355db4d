//! The dense layer, ReLU and dropout.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{
    Dropout, DropoutKey, DropoutMode, DropoutScale, InputGradient, Linear, Relu,
};
use candle_core::{Result, bail};

use super::{Bench, bounds};

pub(super) fn test(bench: &mut Bench<'_>) -> Result<()> {
    for (batch, inputs, outputs) in [(32, 576, 128), (5, 300, 70), (3, 37, 11)] {
        linear(bench, (batch, inputs, outputs))?;
    }
    for dims in [&[3, 16, 5, 5][..], &[2, 3, 3, 7], &[4, 1000], &[7, 13]] {
        relu(bench, dims)?;
        dropout(bench, dims)?;
    }
    Ok(())
}

fn linear(bench: &mut Bench<'_>, (batch, inputs, outputs): (usize, usize, usize)) -> Result<()> {
    let precision = bench.precision();
    let (x, x_exact) = bench.stored(&reference::relu(&Array::random(&[batch, inputs], 11)))?;
    let (w, w_exact) = bench.dense_weights(&[outputs, inputs], 12)?;
    let (bias, bias_exact) = bench.exact(&Array::random(&[outputs], 13))?;
    let y = reference::linear(&x_exact, &w_exact, &bias_exact);
    let bound = bounds::products(precision, inputs, 2); // as of a convolution
    bench.compare("linear", "y", &Linear.forward(&x, &w, &bias)?, &y, bound)?;
    let with_relu = Linear.forward_relu(&x, &w, &bias)?;
    bench.compare("linear", "relu(y)", &with_relu, &reference::relu(&y), bound)?;

    let (dy, dy_exact) = bench.random(&[batch, outputs], 14)?;
    let [dx, dw, db] = reference::linear_gradients(&x_exact, &w_exact, &dy_exact);
    let plain = Linear.backward(&x, &w, &dy, InputGradient::Plain)?;
    let behind = Linear.backward(&x, &w, &dy, InputGradient::Rectified)?;
    let (Some(plain_dx), Some(behind_dx)) = (&plain.input, &behind.input) else {
        bail!("linear: no gradient by the input")
    };
    let by_input = bounds::products(precision, outputs, 1);
    bench.compare("linear", "dx", plain_dx, &dx, by_input)?;
    let rectified = reference::relu_gradient(&x_exact, &dx);
    bench.compare("linear", "dx, rectified", behind_dx, &rectified, by_input)?;
    bench.compare("linear", "dw", &plain.weight, &dw, bounds::products(precision, batch, 1))?;
    bench.compare("linear", "db", &plain.bias, &db, bounds::in_f32(batch))
}

fn relu(bench: &mut Bench<'_>, dims: &[usize]) -> Result<()> {
    let ((x, x_exact), (dy, dy_exact)) = (bench.random(dims, 15)?, bench.random(dims, 16)?);
    let (y, got) = (reference::relu(&x_exact), Relu.forward(&x)?);
    // Values are passed on as they are.
    bench.compare("relu", "y", &got, &y, 0.0)?;
    let dx = reference::relu_gradient(&y, &dy_exact);
    bench.compare("relu", "dx", &Relu.backward(&got, &dy)?, &dx, 0.0)
}

/// The masks are the same bits on every device.
fn dropout(bench: &mut Bench<'_>, dims: &[usize]) -> Result<()> {
    let key = DropoutKey { seed: 0x1234_5678_9abc_def0, step: 5_000_000_000, layer: 17 };
    let (mode, bound) = (DropoutMode::Train(key), bounds::formula(bench.precision()));
    for (scale, factor) in [(DropoutScale::AtTest, 1.0), (DropoutScale::AtTraining, 2.0)] {
        let op = Dropout { keep: 0.5, scale };
        let (x, x_exact) = bench.stored(&reference::relu(&Array::random(dims, 17)))?;
        let (dy, dy_exact) = bench.random(dims, 18)?;
        let got = op.forward(&x, mode)?;
        bench.compare(
            "dropout",
            "y",
            &got,
            &reference::dropout(key, 0.5, factor, &x_exact),
            bound,
        )?;
        let dx = reference::dropout(key, 0.5, factor, &dy_exact);
        bench.compare("dropout", "dx", &op.backward(&dy, mode)?, &dx, bound)?;
        let rectified = reference::relu_gradient(&x_exact, &dx);
        let got = op.backward_rectified(&got, &dy, mode)?;
        bench.compare("dropout", "dx, rectified", &got, &rectified, bound)?;
        let at_test = if scale == DropoutScale::AtTest { 0.5 } else { 1.0 };
        let test = x_exact.map(|x| at_test * x);
        bench.compare("dropout", "y at test", &op.forward(&x, DropoutMode::Test)?, &test, bound)?;
    }
    Ok(())
}
