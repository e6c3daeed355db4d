//! Fused operations give what their parts give one after the other, to the bit.

mod common;

use alexnet_kernels::reference::Array;
use alexnet_kernels::{
    Activation, AvgPool2d, Conv2d, Conv2dConfig, Dropout, DropoutKey, DropoutMode, DropoutScale,
    Epilogue, InputGrad, Linear, Local2d, Local2dConfig, Lrn, LrnPool, MapNorm, MaxPool2d, Padding,
    Pooled,
};
use candle_core::{Device, Module, Result, Tensor, Var};
use common::{assert_memory_order, cases, flat};
use proptest::prelude::*;

fn random(shape: &[usize], stream: u32) -> Result<Tensor> {
    Array::random(shape, stream).tensor(&Device::Cpu)
}

/// The output of a ReLU.
fn rectified(shape: &[usize]) -> Result<Tensor> {
    Activation::Relu.forward(&random(shape, 1)?)
}

/// The same bits, but for the sign of a zero; and some not 0, or the test would say nothing.
#[track_caller]
fn assert_same(what: &str, got: &Tensor, want: &Tensor) -> Result<()> {
    assert_eq!(got.dims(), want.dims(), "{what}");
    assert_memory_order(got)?;
    let (got, want) = (flat(got)?, flat(want)?);
    assert!(got == want, "{what} differs");
    assert!(want.iter().any(|x| *x != 0.0), "{what} is all zeros");
    Ok(())
}

/// candle's gradients of both functions of `inputs` are the same.
fn assert_same_autograd(
    inputs: &[Tensor],
    fused: impl Fn(&[Tensor]) -> Result<Tensor>,
    parts: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<()> {
    let autograd = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| -> Result<Vec<Vec<f32>>> {
        let vars: Vec<Var> = inputs.iter().map(Var::from_tensor).collect::<Result<_>>()?;
        let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        let y = f(&tensors)?;
        let store = (&y * random(y.dims(), 4)?)?.sum_all()?.backward()?;
        vars.iter().map(|v| flat(store.get(v).expect("a gradient for each input"))).collect()
    };
    let want = autograd(&parts)?;
    assert!(autograd(&fused)? == want, "the gradients differ");
    assert!(want.iter().flatten().any(|x| *x != 0.0), "the gradients are all zeros");
    Ok(())
}

const CONVOLUTIONS: [Conv2dConfig; 3] = [
    Conv2dConfig { stride: 1, padding: Padding::same(1), groups: 2 },
    Conv2dConfig { stride: 2, padding: Padding::same(0), groups: 1 },
    Conv2dConfig { stride: 1, padding: Padding { bottom: 1, ..Padding::same(0) }, groups: 1 },
];

#[test]
fn convolution_then_relu() -> Result<()> {
    for config in CONVOLUTIONS {
        let weight = random(&[6, 4 / config.groups, 3, 3], 2)?;
        let inputs = [random(&[3, 4, 7, 6], 1)?, weight, random(&[6], 3)?];
        let layer = |t: &[Tensor]| Conv2d::new(t[1].clone(), t[2].clone(), config);
        let fused = |t: &[Tensor]| layer(t)?.forward_fused(&t[0], Epilogue::Relu);
        let parts = |t: &[Tensor]| Activation::Relu.forward(&layer(t)?.forward(&t[0])?);
        assert_same("output", &fused(&inputs)?, &parts(&inputs)?)?;
        assert_same_autograd(&inputs, fused, parts)?;
    }
    Ok(())
}

#[test]
fn relu_then_convolution() -> Result<()> {
    for config in CONVOLUTIONS {
        let x = rectified(&[3, 4, 7, 6])?;
        let weight = random(&[6, 4 / config.groups, 3, 3], 2)?;
        let conv = Conv2d::new(weight, random(&[6], 3)?, config)?;
        let dy = random(conv.forward(&x)?.dims(), 4)?;
        through_relu(&x, |input| Ok(conv.backward(&x, &dy, input)?.input))?;
    }
    Ok(())
}

/// The gradient through the ReLU that gave `x` is the plain one, then the ReLU's.
fn through_relu(x: &Tensor, backward: impl Fn(InputGrad) -> Result<Option<Tensor>>) -> Result<()> {
    let plain = backward(InputGrad::Plain)?.expect("it was asked for");
    let fused = backward(InputGrad::ThroughRelu)?.expect("it was asked for");
    assert_same("gradient", &fused, &Activation::Relu.backward(x, &plain)?)
}

#[test]
fn dense_layer_between_relus() -> Result<()> {
    let inputs = [rectified(&[5, 9])?, random(&[7, 9], 2)?, random(&[7], 3)?];
    let layer = |t: &[Tensor]| Linear::new(t[1].clone(), t[2].clone());
    let fused = |t: &[Tensor]| layer(t)?.forward_fused(&t[0], Epilogue::Relu);
    let parts = |t: &[Tensor]| Activation::Relu.forward(&layer(t)?.forward(&t[0])?);
    assert_same("output", &fused(&inputs)?, &parts(&inputs)?)?;
    assert_same_autograd(&inputs, fused, parts)?;
    let (x, layer, dy) = (&inputs[0], layer(&inputs)?, random(&[5, 7], 4)?);
    through_relu(x, |input| Ok(layer.backward(x, &dy, input)?.input))
}

#[test]
fn local_layer_between_relus() -> Result<()> {
    let config = Local2dConfig { kernel: 3, stride: 1, padding: 1 };
    let inputs = [rectified(&[5, 4, 3, 2])?, random(&[18, 36], 2)?, random(&[18], 3)?];
    let layer = |t: &[Tensor]| Local2d::new(t[1].clone(), t[2].clone(), config);
    let fused = |t: &[Tensor]| layer(t)?.forward_fused(&t[0], Epilogue::Relu);
    let parts = |t: &[Tensor]| Activation::Relu.forward(&layer(t)?.forward(&t[0])?);
    assert_same("output", &fused(&inputs)?, &parts(&inputs)?)?;
    assert_same_autograd(&inputs, fused, parts)?;
    let (x, layer, dy) = (&inputs[0], layer(&inputs)?, random(&[5, 3, 3, 2], 4)?);
    through_relu(x, |input| Ok(layer.backward(x, &dy, input)?.input))
}

#[test]
fn relu_then_average_pooling() -> Result<()> {
    let pool = AvgPool2d::new(3, 2).ceil(true);
    let (x, dy) = (rectified(&[2, 6, 6, 5])?, random(&[2, 6, 3, 2], 2)?);
    through_relu(&x, |input| pool.backward(&x, &dy, input))
}

#[test]
fn relu_then_response_norm() -> Result<()> {
    let lrn = Lrn { n: 3, alpha: 2.0, beta: 0.75, k: 1.0, towers: 2, alpha_over_n: false };
    let norm = MapNorm { n: 3, alpha: 9.0, beta: 0.75, k: 1.0 };
    let (x, dy) = (rectified(&[2, 6, 3, 4])?, random(&[2, 6, 3, 4], 2)?);
    through_relu(&x, |input| lrn.backward(&x, &dy, input))?;
    through_relu(&x, |input| norm.backward(&x, &dy, input))
}

#[test]
fn relu_then_dropout() -> Result<()> {
    let train = DropoutMode::Train(DropoutKey { seed: 1, step: 2, layer: 3 });
    for (shape, scale) in
        [(&[5, 40][..], DropoutScale::AtTest), (&[2, 5, 3, 4], DropoutScale::AtTraining)]
    {
        for mode in [train, DropoutMode::Test] {
            let dropout = Dropout::new(0.4).scale(scale);
            let (x, dy) = (rectified(shape)?, random(shape, 2)?);
            let y = dropout.forward(&x, mode)?;
            through_relu(&x, |input| dropout.backward(&y, &dy, mode, input))?;
        }
    }
    Ok(())
}

/// The layer of two operations gives what they give in turn.
#[test]
fn normalization_and_pooling() -> Result<()> {
    let op = LrnPool { lrn: Lrn::new(5).alpha(5.0), pool: MaxPool2d::new(3, 2).ceil(true) };
    for x in [random(&[2, 19, 8, 7], 1)?, rectified(&[2, 19, 8, 7])?] {
        for epilogue in [Epilogue::None, Epilogue::Relu] {
            let normalized = op.lrn.forward(&x)?;
            let want = op.pool.forward_with_argmax(&normalized, epilogue, InputGrad::Plain)?;
            let got = op.forward_with_argmax(&x, epilogue)?;
            assert_same("output", &got.output, &want.output)?;
            assert_eq!(
                got.argmax.flatten_all()?.to_vec1::<u8>()?,
                want.argmax.flatten_all()?.to_vec1::<u8>()?
            );
            assert_same("output", &op.forward_fused(&x, epilogue)?, &want.output)?;

            let dy = random(want.output.dims(), 2)?;
            let between = op.pool.backward(&want.argmax, &dy, (8, 7))?;
            for input in [InputGrad::Plain, InputGrad::ThroughRelu] {
                let parts = op.lrn.backward(&x, &between, input)?.expect("it was asked for");
                let fused = op.backward(&x, &got.argmax, &dy, input)?.expect("it was asked for");
                assert_same("gradient", &fused, &parts)?;
            }
        }
    }
    Ok(())
}

/// A pooling layer between ReLUs; kernels from 16 on have another argmax.
fn pooling(pool: MaxPool2d, shape: [usize; 4]) -> Result<()> {
    for x in [random(&shape, 1)?, rectified(&shape)?] {
        let y = pool.forward(&x)?;
        let dy = random(y.dims(), 2)?;
        for input in [InputGrad::Plain, InputGrad::ThroughRelu] {
            let plain = pool.forward_with_argmax(&x, Epilogue::None, input)?;
            assert_eq!(plain.argmax.dims(), y.dims());
            assert_same("output", &plain.output, &y)?;
            let rectified = pool.forward_with_argmax(&x, Epilogue::Relu, input)?;
            assert_same("output", &rectified.output, &Activation::Relu.forward(&y)?)?;
            // Its argmax says where the ReLU gave 0.
            let backward =
                |pooled: &Pooled, dy| pool.backward(&pooled.argmax, dy, (shape[2], shape[3]));
            let below = Activation::Relu.backward(&rectified.output, &dy)?;
            let want = backward(&plain, &below)?;
            assert_same("gradient", &backward(&rectified, &dy)?, &want)?;
        }
        through_relu(&x, |input| {
            let argmax = pool.forward_with_argmax(&x, Epilogue::None, input)?.argmax;
            pool.backward(&argmax, &dy, (shape[2], shape[3])).map(Some)
        })?;
        let parts = |t: &[Tensor]| Activation::Relu.forward(&pool.forward(&t[0])?);
        let fused = |t: &[Tensor]| pool.forward_fused(&t[0], Epilogue::Relu);
        let inputs = [x];
        assert_same("output", &fused(&inputs)?, &parts(&inputs)?)?;
        assert_same_autograd(&inputs, fused, parts)?;
    }
    Ok(())
}

#[test]
fn pooling_between_relus() -> Result<()> {
    pooling(MaxPool2d::new(3, 2).ceil(true), [2, 19, 8, 7])?;
    pooling(MaxPool2d::new(2, 3), [1, 16, 9, 8])?;
    pooling(MaxPool2d::new(17, 5).ceil(true), [1, 3, 24, 19])
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn pooling_of_any_shape(
        (kernel, stride, ceil) in (1usize..5, 1usize..4, any::<bool>()),
        (b, c, h, w) in (1usize..3, 1usize..36, 5usize..10, 5usize..10),
    ) {
        pooling(MaxPool2d::new(kernel, stride).ceil(ceil), [b, c, h, w]).unwrap();
    }
}
