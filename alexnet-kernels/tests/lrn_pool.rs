//! LRN and the max-pooling after it against their references in turn.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Epilogue, InputGrad, Lrn, LrnPool, MaxPool2d, Pooled, Rest, Towers};
use candle_core::{DType, Device, Result, Tensor};
use common::{TOLERANCE, assert_close, assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

/// The constants of AlexNet, with an α so strong that a wrong term shows.
const STRONG: LrnPool = LrnPool { lrn: Lrn::new(5).alpha(5.0).k(1.0), pool: MaxPool2d::new(3, 2) };

/// Forward and backward pass as a training step computes them.
fn passes(op: LrnPool, x: &Tensor, dy: &Tensor) -> Result<[Tensor; 2]> {
    let Pooled { output, argmax } = op.forward_with_argmax(x, Epilogue::None)?;
    let dx = op.backward(x, &argmax, dy, InputGrad::Plain)?.expect("it was asked for");
    Ok([output, dx])
}

fn matches(device: &Device, op: LrnPool, shape: [usize; 4]) -> Result<()> {
    let x = &Array::random(&shape, 1);
    let want = &reference::lrn_pool(&op, x, op.pool.output_size((shape[2], shape[3]))?);
    check(
        device,
        std::slice::from_ref(x),
        want,
        |dy| vec![reference::lrn_pool_gradient(&op, x, dy)],
        |inputs| op.forward_fused(&inputs[0], Epilogue::None),
        |inputs, _, dy| {
            let [y, dx] = passes(op, &inputs[0], dy)?;
            assert_close("y with an argmax", &y, want, TOLERANCE)?;
            Ok(vec![dx])
        },
    )
}

/// Constants with kernels of their own on GPUs: towers, floor and ceil where they differ, one block
/// and several; and constants without.
fn matches_reference(device: &Device) -> Result<()> {
    for shape in [[2, 48, 11, 9], [1, 16, 8, 6], [1, 8, 3, 3], [1, 96, 23, 55]] {
        matches(device, STRONG, shape)?;
        let (lrn, pool) = (STRONG.lrn.towers(2), STRONG.pool.ceil(true));
        matches(device, LrnPool { lrn, pool }, shape)?;
    }
    matches(device, STRONG, [2, 7, 8, 7])?;
    matches(device, LrnPool { lrn: STRONG.lrn.beta(0.6), ..STRONG }, [1, 8, 7, 7])?;
    matches(device, LrnPool { pool: MaxPool2d::new(2, 2), ..STRONG }, [1, 8, 6, 7])
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn matches_reference_on_random_shapes(
        (batch, channels, height, width) in (1..3usize, 1..9usize, 3..9usize, 3..9usize),
        (kernel, stride, ceil) in (1..4usize, 1..4usize, any::<bool>()),
        (radius, beta) in (0..4usize, prop_oneof![Just(0.75f32), 0.2..1.5f32]),
    ) {
        let lrn = Lrn::new(2 * radius + 1).alpha(2.0).beta(beta).k(1.0);
        let op = LrnPool { lrn, pool: MaxPool2d::new(kernel, stride).ceil(ceil) };
        matches(&Device::Cpu, op, [batch, channels, height, width]).unwrap();
    }
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let x = Array::random(&[7, 24, 11, 9], 1).tensor(&Device::Cpu)?;
    let dy = Array::random(&[7, 24, 5, 4], 2).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| Ok(passes(STRONG, &x, &dy)?.into()))
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((1, 8, 5, 5), DType::F32, &Device::Cpu)?;
    let forward = |op: LrnPool, x: &Tensor| op.forward_with_argmax(x, Epilogue::None);
    let even = LrnPool { lrn: Lrn::new(4), ..STRONG };
    assert!(refusal(forward(even, &x)).contains("odd, got 4"));
    let none = LrnPool { pool: MaxPool2d::new(0, 1), ..STRONG };
    assert!(refusal(forward(none, &x)).contains("kernel 0"));
    assert!(refusal(forward(STRONG, &x.flatten_all()?)).contains("4 dimensions"));
    assert!(refusal(forward(STRONG, &x.to_dtype(DType::U32)?)).contains("U32"));
    let Pooled { output: y, argmax } = forward(STRONG, &x)?;
    let backward = |op: LrnPool, x: &Tensor, argmax: &Tensor, dy: &Tensor| {
        op.backward(x, argmax, dy, InputGrad::Plain)
    };
    assert!(refusal(backward(even, &x, &argmax, &y)).contains("odd, got 4"));
    assert!(refusal(backward(STRONG, &x, &argmax, &x)).contains("[1, 8, 2, 2]"));
    assert!(refusal(backward(STRONG, &x, &x, &y)).contains("argmax must be U8"));
    assert!(refusal(backward(STRONG, &x.narrow(1, 0, 4)?, &argmax, &y)).contains("[1, 8, 5, 5]"));
    assert!(STRONG.backward(&x, &argmax, &y, InputGrad::Skip)?.is_none());
    Ok(())
}

/// After the rest of a convolution: what adding its bias and applying its ReLU first give.
fn matches_after(device: &Device, towers: Towers, shape: [usize; 4]) -> Result<()> {
    let [x, bias] = [(&shape[..], 1), (&shape[1..2], 2)].map(|(s, seed)| Array::random(s, seed));
    let (x, bias) = (x.tensor(device)?, bias.tensor(device)?);
    let (lrn, pool) = (STRONG.lrn.towers(towers.count), STRONG.pool);
    let op = LrnPool { lrn, pool };
    let apart = LrnPool { lrn, pool: pool.towers(towers) };
    let lie = |x: &Tensor, apart| match apart {
        true => Tensor::cat(&x.chunk(towers.count, 1)?, 0),
        false => Ok(x.clone()),
    };
    for relu in [false, true] {
        let shifted = x.broadcast_add(&bias.reshape((1, (), 1, 1))?)?;
        let shifted = if relu { shifted.relu()? } else { shifted };
        let input = if relu { InputGrad::ThroughRelu } else { InputGrad::Plain };
        let want = op.forward_with_argmax(&shifted, Epilogue::Relu)?;
        let dy = Array::random(want.output.dims(), 3).tensor(device)?;
        let want_dx = op.backward(&shifted, &want.argmax, &dy, input)?.expect("it was asked for");
        let want_db = want_dx.sum((0, 2, 3))?;

        let rest = Rest { bias: bias.clone(), relu };
        let x = lie(&x, towers.input_apart)?;
        let got = apart.forward_after(&x, &rest, Epilogue::Relu)?;
        let dy = lie(&dy, towers.output_apart)?;
        let [dx, db] = apart.backward_after(&x, &rest, &got.argmax, &dy, input)?;
        let of = |x: &Tensor, apart| Array::of(&lie(x, apart)?);
        assert_close("y", &got.output, &of(&want.output, towers.output_apart)?, TOLERANCE)?;
        assert_close("dx", &dx, &of(&want_dx, towers.input_apart)?, TOLERANCE)?;
        assert_close("db", &db, &Array::of(&want_db)?, TOLERANCE)?;
    }
    Ok(())
}

/// With kernels of their own on GPUs and without, towers together and apart.
fn after_a_convolution(device: &Device) -> Result<()> {
    for (input_apart, output_apart) in [(false, false), (false, true), (true, false)] {
        let towers = Towers { count: 2, input_apart, output_apart };
        matches_after(device, towers, [2, 48, 11, 9])?;
        matches_after(device, towers, [2, 6, 7, 5])?;
    }
    Ok(())
}

#[test]
fn after_a_convolution_on_cpu() -> Result<()> {
    after_a_convolution(&Device::Cpu)
}

#[cfg(feature = "cuda")]
#[test]
fn after_a_convolution_on_cuda() -> Result<()> {
    after_a_convolution(&common::gpu()?)
}
