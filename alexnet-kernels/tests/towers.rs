//! Poolings that read or write the maps of towers by themselves: what they give together, moved.

#[macro_use]
mod common;

use alexnet_kernels::reference::Array;
use alexnet_kernels::{Epilogue, InputGrad, Lrn, LrnPool, MaxPool2d, Pooled, Towers};
use candle_core::{Device, Result, Tensor};
use common::{TOLERANCE, assert_close, cases, refusal};
use proptest::prelude::*;

/// `(B, C, H, W)` as `(T·B, C/T, H, W)` if it is to lie apart.
fn lie(x: &Tensor, towers: usize, apart: bool) -> Result<Tensor> {
    if apart { Tensor::cat(&x.chunk(towers, 1)?, 0) } else { Ok(x.clone()) }
}

/// Both poolings with the towers of `towers` and with all maps together.
fn matches(device: &Device, pool: MaxPool2d, towers: Towers, shape: [usize; 4]) -> Result<()> {
    let Towers { count, input_apart, output_apart } = towers;
    let (h, w) = pool.output_size((shape[2], shape[3]))?;
    let x = Array::random(&shape, 1).tensor(device)?;
    let dy = Array::random(&[shape[0], shape[1], h, w], 2).tensor(device)?;
    let (x_lies, dy_lies) = (lie(&x, count, input_apart)?, lie(&dy, count, output_apart)?);
    let close = |what: &str, got: &Tensor, want: &Tensor, apart| {
        assert_close(what, got, &Array::of(&lie(want, count, apart)?)?, TOLERANCE)
    };
    let size = (shape[2], shape[3]);
    for epilogue in [Epilogue::None, Epilogue::Relu] {
        let forward =
            |pool: MaxPool2d, x: &Tensor| pool.forward_with_argmax(x, epilogue, InputGrad::Plain);
        let (want, got) = (forward(pool, &x)?, forward(pool.towers(towers), &x_lies)?);
        close("y", &got.output, &want.output, output_apart)?;
        close(
            "y by autograd",
            &pool.towers(towers).forward_fused(&x_lies, epilogue)?,
            &want.output,
            output_apart,
        )?;
        let want = pool.backward(&want.argmax, &dy, size)?;
        let got = pool.towers(towers).backward(&got.argmax, &dy_lies, size)?;
        close("dx", &got, &want, input_apart)?;

        let lrn = Lrn::new(5).alpha(5.0).k(1.0).towers(count);
        let (together, apart) = (LrnPool { lrn, pool }, LrnPool { lrn, pool: pool.towers(towers) });
        let both = |op: LrnPool, x: &Tensor, dy: &Tensor| {
            let Pooled { output, argmax } = op.forward_with_argmax(x, epilogue)?;
            let dx = op.backward(x, &argmax, dy, InputGrad::ThroughRelu)?;
            Ok::<_, candle_core::Error>((output, dx.expect("it was asked for")))
        };
        let (want, got) = (both(together, &x, &dy)?, both(apart, &x_lies, &dy_lies)?);
        close("y of lrn-pool", &got.0, &want.0, output_apart)?;
        close("dx of lrn-pool", &got.1, &want.1, input_apart)?;
    }
    Ok(())
}

/// The first two poolings of AlexNet, small: from together to apart, and back.
fn matches_together(device: &Device) -> Result<()> {
    let pool = MaxPool2d::new(3, 2);
    for (input_apart, output_apart) in [(false, true), (true, false), (true, true)] {
        let towers = Towers { count: 2, input_apart, output_apart };
        matches(device, pool, towers, [3, 32, 9, 7])?;
        matches(device, pool.ceil(true), towers, [2, 6, 8, 8])?;
    }
    Ok(())
}

#[test]
fn as_together_on_cpu() -> Result<()> {
    matches_together(&Device::Cpu)
}

#[cfg(feature = "cuda")]
#[test]
fn as_together_on_cuda() -> Result<()> {
    matches_together(&common::gpu()?)
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn as_together_for_random_shapes(
        (batch, count, row) in (1..3usize, 1..4usize, 1..5usize),
        (height, width) in (3..8usize, 3..8usize),
        (kernel, stride, ceil) in (1..4usize, 1..4usize, any::<bool>()),
        (input_apart, output_apart) in (any::<bool>(), any::<bool>()),
    ) {
        let pool = MaxPool2d::new(kernel, stride).ceil(ceil);
        let towers = Towers { count, input_apart, output_apart };
        matches(&Device::Cpu, pool, towers, [batch, count * row, height, width]).unwrap();
    }
}

#[test]
fn refuses_towers_that_do_not_divide() -> Result<()> {
    let x = Array::random(&[3, 3, 4, 4], 1).tensor(&Device::Cpu)?;
    let towers = |input_apart| Towers { count: 2, input_apart, output_apart: false };
    let forward = |towers| MaxPool2d::new(2, 2).towers(towers).forward_fused(&x, Epilogue::None);
    assert!(refusal(forward(towers(false))).contains("3 channels do not divide into 2 towers"));
    assert!(refusal(forward(towers(true))).contains("3 maps are not those of 2 towers"));
    assert!(forward(Towers { count: 0, ..Towers::TOGETHER }).is_err());
    Ok(())
}
