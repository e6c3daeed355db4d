//! Max-pooling against its reference.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Epilogue, InputGrad, MaxPool2d};
use candle_core::{DType, Device, Module, Result, Tensor};
use common::{assert_same_on_all_thread_counts, cases, check, flat, refusal};
use proptest::prelude::*;

/// The paper's pooling.
const OVERLAPPING: MaxPool2d = MaxPool2d::new(3, 2);

/// The gradient with respect to `x`, as a training step computes it.
fn backward(pool: MaxPool2d, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    let argmax = pool.forward_with_argmax(x, Epilogue::None, InputGrad::Plain)?.argmax;
    pool.backward(&argmax, dy, (x.dim(2)?, x.dim(3)?))
}

fn matches(device: &Device, pool: MaxPool2d, shape: [usize; 4]) -> Result<()> {
    let x = &Array::random(&shape, 1);
    check(
        device,
        std::slice::from_ref(x),
        &reference::max_pool(&pool, x, pool.output_size((shape[2], shape[3]))?),
        |dy| vec![reference::max_pool_gradient(&pool, x, dy)],
        |inputs| pool.forward(&inputs[0]),
        |inputs, _, dy| Ok(vec![backward(pool, &inputs[0], dy)?]),
    )
}

/// Overlapping and not, floor and ceil where they differ, gaps, one pixel.
fn matches_reference(device: &Device) -> Result<()> {
    for ceil in [false, true] {
        matches(device, OVERLAPPING.ceil(ceil), [2, 3, 8, 7])?;
        matches(device, MaxPool2d::new(2, 2).ceil(ceil), [1, 2, 5, 7])?;
        matches(device, MaxPool2d::new(2, 5).ceil(ceil), [1, 2, 9, 8])?;
        matches(device, MaxPool2d::new(1, 1).ceil(ceil), [1, 1, 1, 1])?;
    }
    Ok(())
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn matches_reference_on_random_shapes(
        (batch, channels, height, width) in (1..3usize, 1..5usize, 1..9usize, 1..9usize),
        (kernel, stride, ceil) in (1..5usize, 1..7usize, any::<bool>()),
    ) {
        let kernel = kernel.min(height).min(width);
        let pool = MaxPool2d::new(kernel, stride).ceil(ceil);
        matches(&Device::Cpu, pool, [batch, channels, height, width]).unwrap();
    }
}

/// The size is counted here, not computed: windows that fit, or that begin inside and are not done.
#[test]
fn output_sizes_count_windows() -> Result<()> {
    let sizes = (1..12usize).flat_map(|input| (1..=input).map(move |kernel| (input, kernel)));
    for ((input, kernel), stride) in sizes.flat_map(|size| (1..8usize).map(move |s| (size, s))) {
        for ceil in [false, true] {
            let covered = |windows: usize| (windows - 1) * stride + kernel;
            let more = |windows| ceil && covered(windows) < input && windows * stride < input;
            let mut windows = 1;
            while covered(windows + 1) <= input || more(windows) {
                windows += 1;
            }
            let pool = MaxPool2d::new(kernel, stride).ceil(ceil);
            assert_eq!(pool.output_size((input, kernel))?, (windows, 1), "{pool:?} of {input}");
        }
    }
    Ok(())
}

/// The sizes of AlexNet, and of the ablation with 2 by 2 windows.
#[test]
fn output_sizes_of_alexnet() -> Result<()> {
    for ceil in [false, true] {
        let size = |input| OVERLAPPING.ceil(ceil).output_size((input, input));
        assert_eq!([size(55)?, size(27)?, size(13)?], [(27, 27), (13, 13), (6, 6)]);
    }
    let halves = |ceil| MaxPool2d::new(2, 2).ceil(ceil).output_size((55, 11));
    assert_eq!([halves(false)?, halves(true)?], [(27, 5), (28, 6)]);
    // The third window would begin after the last pixel.
    assert_eq!(MaxPool2d::new(1, 3).ceil(true).output_size((5, 4))?, (2, 2));
    Ok(())
}

/// All pixels equal: each window's gradient goes to its first pixel.
#[test]
fn first_of_equal_maxima_takes_the_gradient() -> Result<()> {
    let x = Tensor::ones((1, 1, 5, 5), DType::F32, &Device::Cpu)?;
    let dy = Tensor::new(&[1f32, 2.0, 3.0, 4.0], &Device::Cpu)?.reshape((1, 1, 2, 2))?;
    let mut want = [0.0; 25];
    (want[0], want[2], want[10], want[12]) = (1.0, 2.0, 3.0, 4.0);
    assert_eq!(flat(&backward(OVERLAPPING, &x, &dy)?)?, want);
    Ok(())
}

/// NaN is the maximum of its window wherever it stands in it, and −∞ is a value like others.
#[test]
fn nan_and_infinity() -> Result<()> {
    let pool = MaxPool2d::new(2, 2);
    let dy = Tensor::ones((1, 1, 1, 1), DType::F32, &Device::Cpu)?;
    for place in 0..4 {
        let mut values = [1f32, 2.0, 3.0, 4.0];
        values[place] = f32::NAN;
        let x = Tensor::new(&values, &Device::Cpu)?.reshape((1, 1, 2, 2))?;
        assert!(flat(&pool.forward(&x)?)?[0].is_nan());
        let dx = flat(&backward(pool, &x, &dy)?)?;
        assert_eq!(dx.iter().position(|&dx| dx == 1.0), Some(place));
    }
    let lowest = Tensor::full(f32::NEG_INFINITY, (1, 1, 2, 2), &Device::Cpu)?;
    assert_eq!(flat(&pool.forward(&lowest)?)?, [f32::NEG_INFINITY]);
    assert_eq!(backward(pool, &lowest, &dy)?.sum_all()?.to_scalar::<f32>()?, 1.0);
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let x = Array::random(&[7, 24, 11, 9], 1).tensor(&Device::Cpu)?;
    let dy = Array::random(&[7, 24, 5, 4], 2).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        Ok(vec![OVERLAPPING.forward(&x)?, backward(OVERLAPPING, &x, &dy)?])
    })
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((1, 4, 2, 2), DType::F32, &Device::Cpu)?;
    let pool = |kernel, stride| MaxPool2d::new(kernel, stride).ceil(true).forward(&x);
    assert!(refusal(pool(3, 2)).contains("larger than the map, 2"));
    assert!(refusal(pool(0, 1)).contains("kernel 0"));
    assert!(refusal(pool(1, 0)).contains("stride 0"));
    let pool = MaxPool2d::new(2, usize::MAX).ceil(true);
    assert_eq!(pool.forward(&x)?.dims(), [1, 4, 1, 1]);
    assert!(refusal(pool.forward(&x.flatten_all()?)).contains("4 dimensions"));
    assert!(refusal(pool.forward(&x.to_dtype(DType::U32)?)).contains("U32"));
    assert!(refusal(pool.forward(&x.narrow(1, 0, 0)?)).contains("empty"));
    assert!(refusal(backward(pool, &x, &x)).contains("[1, 4, 1, 1]"));
    let pool = MaxPool2d::new(1, 1);
    let argmax = pool.forward_with_argmax(&x, Epilogue::None, InputGrad::Plain)?.argmax;
    assert!(refusal(pool.backward(&argmax, &x, (3, 2))).contains("[1, 4, 3, 2]"));
    assert!(refusal(pool.backward(&argmax.narrow(1, 0, 1)?, &x, (2, 2))).contains("[1, 1, 2, 2]"));
    let words = argmax.to_dtype(DType::U32)?;
    assert!(refusal(pool.backward(&words, &x, (2, 2))).contains("U32"));
    Ok(())
}
