//! The linear layer, ReLU and dropout.

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{
    Activation, Dropout, DropoutKey, DropoutMode, DropoutScale, Epilogue, InputGrad, Linear,
};
use candle_core::{Module, Result};

use super::bounds;
use super::comparisons::Comparisons;

pub(super) fn compare(test: &mut Comparisons<'_>) {
    for (batch, inputs, outputs) in [(32, 576, 128), (5, 300, 70), (3, 37, 11)] {
        test.attempt("linear", |test| linear(test, (batch, inputs, outputs)));
    }
    for dims in [&[3, 16, 5, 5][..], &[2, 3, 3, 7], &[4, 1000], &[7, 13]] {
        for f in Activation::ALL {
            test.attempt(f.name(), |test| activation(test, f, dims));
        }
        test.attempt("dropout", |test| dropout(test, dims));
    }
}

fn linear(
    test: &mut Comparisons<'_>,
    (batch, inputs, outputs): (usize, usize, usize),
) -> Result<()> {
    let precision = test.precision();
    let (x, x_exact) = test.activations(&reference::relu(&Array::random(&[batch, inputs], 11)))?;
    let (w, w_exact) = test.random(&[outputs, inputs], 12)?;
    let (bias, bias_exact) = test.f32(&Array::random(&[outputs], 13))?;
    let y = reference::linear(&x_exact, &w_exact, &bias_exact);
    let bound = bounds::matmul(precision, inputs, 2); // as for a convolution
    let layer = Linear::new(w, bias)?;
    test.compare("linear", "y", layer.forward(&x), &y, bound);
    let with_relu = layer.forward_fused(&x, Epilogue::Relu);
    test.compare("linear", "relu(y)", with_relu, &reference::relu(&y), bound);

    let (dy, dy_exact) = test.random(&[batch, outputs], 14)?;
    let [dx, dw, db] = reference::linear_gradients(&x_exact, &w_exact, &dy_exact);
    let bound = bounds::matmul(precision, outputs, 1);
    let backward = |input| Ok(layer.backward(&x, &dy, input)?.input);
    test.compare_input_grads("linear", &x_exact, &dx, bound, backward);
    let (dw_bound, db_bound) = (bounds::matmul(precision, batch, 1), bounds::in_f32(batch));
    let grads = layer.backward(&x, &dy, InputGrad::Plain).map(|grads| [grads.weight, grads.bias]);
    test.compare_all("linear", grads, [("dw", &dw, dw_bound), ("db", &db, db_bound)]);
    Ok(())
}

fn activation(test: &mut Comparisons<'_>, f: Activation, dims: &[usize]) -> Result<()> {
    let ((x, x_exact), (dy, dy_exact)) = (test.random(dims, 15)?, test.random(dims, 16)?);
    // The ReLU copies values, so there is nothing to round.
    let bound = if f == Activation::Relu { 0.0 } else { bounds::formula(test.precision()) };
    let (y_exact, y) = (reference::activation(f, &x_exact), f.forward(&x)?);
    test.compare(f.name(), "y", Ok(y.clone()), &y_exact, bound);
    let dx = reference::activation_gradient(f, &y_exact, &dy_exact);
    test.compare(f.name(), "dx", f.backward(&y, &dy), &dx, bound);
    Ok(())
}

/// The masks are the same bits on every device.
fn dropout(test: &mut Comparisons<'_>, dims: &[usize]) -> Result<()> {
    let key = DropoutKey { seed: 0x1234_5678_9abc_def0, step: 5_000_000_000, layer: 17 };
    let (mode, bound) = (DropoutMode::Train(key), bounds::formula(test.precision()));
    for (scale, factor) in [(DropoutScale::AtTest, 1.0), (DropoutScale::AtTraining, 2.0)] {
        let op = Dropout::new(0.5).scale(scale);
        let (x, x_exact) = test.activations(&reference::relu(&Array::random(dims, 17)))?;
        let (dy, dy_exact) = test.random(dims, 18)?;
        let y = op.forward(&x, mode)?;
        let want = reference::dropout(key, 0.5, factor, &x_exact);
        test.compare("dropout", "y", Ok(y.clone()), &want, bound);
        let dx = reference::dropout(key, 0.5, factor, &dy_exact);
        let backward = |input| op.backward(&y, &dy, mode, input);
        test.compare_input_grads("dropout", &x_exact, &dx, bound, backward);
        let factor = if scale == DropoutScale::AtTest { 0.5 } else { 1.0 };
        let want = x_exact.map(|x| factor * x);
        test.compare("dropout", "y at test", op.forward(&x, DropoutMode::Test), &want, bound);
    }
    Ok(())
}
