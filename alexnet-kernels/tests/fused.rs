//! Fused operations give what their parts give one after the other, to the bit.

mod common;

use alexnet_kernels::{
    Conv2d, Dropout, DropoutKey, DropoutMode, DropoutScale, InputGradient, Linear, Lrn, MaxPool2d,
    Padding, Relu,
};
use candle_core::{DType, Device, Result, Tensor, Var};
use common::{Array, assert_memory_order, cases, refusal};
use proptest::prelude::*;

fn random(shape: &[usize], seed: u64) -> Result<Tensor> {
    Array::random(shape, seed).tensor(&Device::Cpu)
}

/// The same bits, but for the sign of a zero; and some of them not 0, or the test would say nothing.
#[track_caller]
fn assert_same(what: &str, got: &Tensor, want: &Tensor) -> Result<()> {
    assert_eq!(got.dims(), want.dims(), "{what}");
    assert_memory_order(got)?;
    let [got, want] = [got, want].map(|t| t.flatten_all()?.to_vec1::<f32>());
    let (got, want) = (got?, want?);
    assert!(got == want, "{what} differs");
    assert!(want.iter().any(|x| *x != 0.0), "{what} is all zeros");
    Ok(())
}

/// The gradients of `Σ y · dy` by `inputs`, by candle's graph.
fn autograd(
    inputs: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
    dy: u64,
) -> Result<Vec<Tensor>> {
    let vars: Vec<Var> = inputs.iter().map(Var::from_tensor).collect::<Result<_>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tensors)?;
    let store = (&y * random(y.dims(), dy)?)?.sum_all()?.backward()?;
    let gradient = |v: &Var| store.get(v).expect("a gradient for each input").clone();
    Ok(vars.iter().map(gradient).collect())
}

const CONVOLUTIONS: [Conv2d; 3] = [
    Conv2d { stride: 1, padding: Padding::same(1), groups: 2 },
    Conv2d { stride: 2, padding: Padding::same(0), groups: 1 },
    Conv2d { stride: 1, padding: Padding { bottom: 1, ..Padding::same(0) }, groups: 1 },
];

#[test]
fn convolution_and_relu() -> Result<()> {
    for conv in CONVOLUTIONS {
        let inputs =
            [random(&[3, 4, 7, 6], 1)?, random(&[6, 4 / conv.groups, 3, 3], 2)?, random(&[6], 3)?];
        let fused = |t: &[Tensor]| conv.forward_relu(&t[0], &t[1], &t[2]);
        let parts = |t: &[Tensor]| Relu.forward(&conv.forward(&t[0], &t[1], &t[2])?);
        assert_same("output", &fused(&inputs)?, &parts(&inputs)?)?;
        let gradients = autograd(&inputs, parts, 4)?;
        for (got, want) in autograd(&inputs, fused, 4)?.iter().zip(&gradients) {
            assert_eq!(got.flatten_all()?.to_vec1::<f32>()?, want.flatten_all()?.to_vec1::<f32>()?);
        }
    }
    Ok(())
}

#[test]
fn convolution_behind_relu() -> Result<()> {
    for conv in CONVOLUTIONS {
        let x = Relu.forward(&random(&[3, 4, 7, 6], 1)?)?;
        let (w, bias) = (random(&[6, 4 / conv.groups, 3, 3], 2)?, random(&[6], 3)?);
        let dy = random(conv.forward(&x, &w, &bias)?.dims(), 4)?;
        let input = |which| Ok::<_, candle_core::Error>(conv.backward(&x, &w, &dy, which)?.input);
        let [plain, rectified] = [InputGradient::Plain, InputGradient::Rectified].map(input);
        let want = Relu.backward(&x, &plain?.expect("asked for"))?;
        assert_same("gradient", &rectified?.expect("asked for"), &want)?;
    }
    Ok(())
}

#[test]
fn dense_layer_and_relu_before_and_behind() -> Result<()> {
    let inputs = [Relu.forward(&random(&[5, 9], 1)?)?, random(&[7, 9], 2)?, random(&[7], 3)?];
    let fused = |t: &[Tensor]| Linear.forward_relu(&t[0], &t[1], &t[2]);
    let parts = |t: &[Tensor]| Relu.forward(&Linear.forward(&t[0], &t[1], &t[2])?);
    assert_same("output", &fused(&inputs)?, &parts(&inputs)?)?;
    let gradients = autograd(&inputs, parts, 4)?;
    for (got, want) in autograd(&inputs, fused, 4)?.iter().zip(&gradients) {
        assert_same("autograd", got, want)?;
    }
    let [x, w, _] = &inputs;
    let dy = random(&[5, 7], 4)?;
    let plain = Linear.backward(x, w, &dy, InputGradient::Plain)?.input.expect("asked for");
    let rectified = Linear.backward(x, w, &dy, InputGradient::Rectified)?.input;
    assert_same("gradient", &rectified.expect("asked for"), &Relu.backward(x, &plain)?)
}

#[test]
fn lrn_behind_relu() -> Result<()> {
    let lrn = Lrn { n: 3, alpha: 2.0, beta: 0.75, k: 1.0, towers: 2, alpha_over_n: false };
    let (x, dy) = (Relu.forward(&random(&[2, 6, 3, 4], 1)?)?, random(&[2, 6, 3, 4], 2)?);
    let want = Relu.backward(&x, &lrn.backward(&x, &dy)?)?;
    assert_same("gradient", &lrn.backward_rectified(&x, &dy)?, &want)
}

#[test]
fn dropout_behind_relu() -> Result<()> {
    let train = DropoutMode::Train(DropoutKey { seed: 1, step: 2, layer: 3 });
    for (shape, scale) in
        [(&[5, 40][..], DropoutScale::AtTest), (&[2, 5, 3, 4], DropoutScale::AtTraining)]
    {
        for mode in [train, DropoutMode::Test] {
            let dropout = Dropout { keep: 0.4, scale };
            let (x, dy) = (Relu.forward(&random(shape, 1)?)?, random(shape, 2)?);
            let y = dropout.forward(&x, mode)?;
            let want = Relu.backward(&x, &dropout.backward(&dy, mode)?)?;
            assert_same("gradient", &dropout.backward_rectified(&y, &dy, mode)?, &want)?;
        }
    }
    let dropout = Dropout { keep: 0.4, scale: DropoutScale::AtTest };
    let (x, dy) = (random(&[2, 3], 1)?, random(&[3, 2], 1)?);
    assert!(refusal(dropout.backward_rectified(&x, &dy, train)).contains("[2, 3]"));
    Ok(())
}

/// Both rectifiers around a pooling layer; kernels from 16 on have another argmax.
fn pooling(pool: MaxPool2d, shape: [usize; 4]) -> Result<()> {
    let size = (shape[2], shape[3]);
    for x in [random(&shape, 1)?, Relu.forward(&random(&shape, 1)?)?] {
        let parts = |t: &[Tensor]| Relu.forward(&pool.forward(&t[0])?);
        let fused = |t: &[Tensor]| pool.forward_relu(&t[0]);
        let y = pool.forward(&x)?;
        let dy = random(y.dims(), 2)?;
        for input in [InputGradient::Plain, InputGradient::Rectified] {
            let plain = pool.forward_argmax(&x, false, input)?;
            assert_eq!(plain.argmax.dims(), y.dims());
            assert_same("output", &plain.output, &y)?;
            let rectified = pool.forward_argmax(&x, true, input)?;
            assert_same("output", &rectified.output, &parts(std::slice::from_ref(&x))?)?;
            let want = pool.backward(&x, &dy)?;
            let want = match input {
                InputGradient::Rectified => Relu.backward(&x, &want)?,
                _ => want,
            };
            assert_same("gradient", &pool.backward_argmax(&plain.argmax, &dy, size)?, &want)?;
        }
        let inputs = [x];
        assert_same("output", &fused(&inputs)?, &parts(&inputs)?)?;
        let want = autograd(&inputs, parts, 3)?.remove(0);
        assert_eq!(
            autograd(&inputs, fused, 3)?.remove(0).flatten_all()?.to_vec1::<f32>()?,
            want.flatten_all()?.to_vec1::<f32>()?
        );
    }
    Ok(())
}

#[test]
fn pooling_and_relu_before_and_behind() -> Result<()> {
    pooling(MaxPool2d { kernel: 3, stride: 2, ceil: true }, [2, 19, 8, 7])?;
    pooling(MaxPool2d { kernel: 2, stride: 3, ceil: false }, [1, 16, 9, 8])?;
    pooling(MaxPool2d { kernel: 17, stride: 5, ceil: true }, [1, 3, 24, 19])?;
    let pool = MaxPool2d { kernel: 2, stride: 2, ceil: false };
    let x = random(&[1, 2, 4, 4], 1)?;
    let argmax = pool.forward_argmax(&x, false, InputGradient::Plain)?.argmax;
    let dy = x.narrow(2, 0, 2)?.narrow(3, 0, 2)?;
    assert!(refusal(pool.backward_argmax(&argmax, &dy, (6, 4))).contains("[1, 2, 3, 2]"));
    let words = argmax.to_dtype(DType::U32)?;
    assert!(refusal(pool.backward_argmax(&words, &dy, (4, 4))).contains("U32"));
    Ok(())
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn pooling_of_any_shape(
        (kernel, stride, ceil) in (1usize..5, 1usize..4, any::<bool>()),
        (b, c, h, w) in (1usize..3, 1usize..36, 5usize..10, 5usize..10),
    ) {
        pooling(MaxPool2d { kernel, stride, ceil }, [b, c, h, w]).unwrap();
    }
}
