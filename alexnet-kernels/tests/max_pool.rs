//! Max-pooling against loops over f64.

mod common;

use alexnet_kernels::MaxPool2d;
use candle_core::{DType, Device, Result, Tensor};
use common::{Array, assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

/// The paper's pooling.
const OVERLAPPING: MaxPool2d = MaxPool2d { kernel: 3, stride: 2, ceil: false };

/// The size is counted, not computed: windows that fit, or that begin inside and are not done.
fn oracle(pool: &MaxPool2d, x: &Array) -> Array {
    let [batch, channels, height, width] = x.dims4();
    let length = |input: usize| {
        let covered = |n: usize| (n - 1) * pool.stride + pool.kernel;
        let mut windows = 1;
        while covered(windows + 1) <= input
            || pool.ceil && covered(windows) < input && windows * pool.stride < input
        {
            windows += 1;
        }
        windows
    };
    Array::build4([batch, channels, length(height), length(width)], |[b, c, h, w]| {
        let mut max = f64::NEG_INFINITY;
        for i in (h * pool.stride..height).take(pool.kernel) {
            for j in (w * pool.stride..width).take(pool.kernel) {
                max = max.max(x.get([b, c, i, j]));
            }
        }
        max
    })
}

fn matches(device: &Device, pool: MaxPool2d, shape: [usize; 4]) -> Result<()> {
    check(
        device,
        &[Array::random(&shape, 1)],
        &|inputs| oracle(&pool, &inputs[0]),
        &|inputs| pool.forward(&inputs[0]),
        &|inputs, _, dy| Ok(vec![pool.backward(&inputs[0], dy)?]),
    )
}

/// Overlapping and not, floor and ceil where they differ, gaps, one pixel.
fn matches_oracle(device: &Device) -> Result<()> {
    for ceil in [false, true] {
        matches(device, MaxPool2d { ceil, ..OVERLAPPING }, [2, 3, 8, 7])?;
        matches(device, MaxPool2d { kernel: 2, stride: 2, ceil }, [1, 2, 5, 7])?;
        matches(device, MaxPool2d { kernel: 2, stride: 5, ceil }, [1, 2, 9, 8])?;
        matches(device, MaxPool2d { kernel: 1, stride: 1, ceil }, [1, 1, 1, 1])?;
    }
    Ok(())
}

#[test]
fn matches_oracle_on_cpu() -> Result<()> {
    matches_oracle(&Device::Cpu)
}

#[cfg(feature = "cuda")]
#[test]
fn matches_oracle_on_cuda() -> Result<()> {
    matches_oracle(&common::card()?)
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn matches_oracle_on_random_shapes(
        (batch, channels, height, width) in (1..3usize, 1..5usize, 1..9usize, 1..9usize),
        (kernel, stride, ceil) in (1..5usize, 1..7usize, any::<bool>()),
    ) {
        let kernel = kernel.min(height).min(width);
        let pool = MaxPool2d { kernel, stride, ceil };
        matches(&Device::Cpu, pool, [batch, channels, height, width]).unwrap();
    }
}

/// The sizes of AlexNet, and of the ablation with 2 by 2 windows.
#[test]
fn output_sizes() -> Result<()> {
    for ceil in [false, true] {
        let size = |input| MaxPool2d { ceil, ..OVERLAPPING }.output_size((input, input));
        assert_eq!([size(55)?, size(27)?, size(13)?], [(27, 27), (13, 13), (6, 6)]);
    }
    let halves = |ceil| MaxPool2d { kernel: 2, stride: 2, ceil }.output_size((55, 11));
    assert_eq!([halves(false)?, halves(true)?], [(27, 5), (28, 6)]);
    // The third window would begin behind the last pixel.
    assert_eq!(MaxPool2d { kernel: 1, stride: 3, ceil: true }.output_size((5, 4))?, (2, 2));
    Ok(())
}

/// All pixels equal: each window's gradient goes to its first pixel.
#[test]
fn first_of_equal_maxima_takes_the_gradient() -> Result<()> {
    let x = Tensor::ones((1, 1, 5, 5), DType::F32, &Device::Cpu)?;
    let dy = Tensor::new(&[1f32, 2.0, 3.0, 4.0], &Device::Cpu)?.reshape((1, 1, 2, 2))?;
    let dx: Vec<f32> = OVERLAPPING.backward(&x, &dy)?.flatten_all()?.to_vec1()?;
    let mut want = [0.0; 25];
    (want[0], want[2], want[10], want[12]) = (1.0, 2.0, 3.0, 4.0);
    assert_eq!(dx, want);
    Ok(())
}

/// NaN is the maximum of its window wherever it stands in it, and −∞ is a value like others.
#[test]
fn nan_and_infinity() -> Result<()> {
    for place in 0..4 {
        let mut values = [1f32, 2.0, 3.0, 4.0];
        values[place] = f32::NAN;
        let x = Tensor::new(&values, &Device::Cpu)?.reshape((1, 1, 2, 2))?;
        let pool = MaxPool2d { kernel: 2, stride: 2, ceil: false };
        assert!(pool.forward(&x)?.flatten_all()?.to_vec1::<f32>()?[0].is_nan());
        let dy = Tensor::ones((1, 1, 1, 1), DType::F32, &Device::Cpu)?;
        let dx = pool.backward(&x, &dy)?.flatten_all()?.to_vec1::<f32>()?;
        assert_eq!(dx.iter().position(|&dx| dx == 1.0), Some(place));
        let lowest = Tensor::full(f32::NEG_INFINITY, (1, 1, 2, 2), &Device::Cpu)?;
        assert_eq!(pool.forward(&lowest)?.flatten_all()?.to_vec1::<f32>()?, [f32::NEG_INFINITY]);
        assert_eq!(pool.backward(&lowest, &dy)?.sum_all()?.to_scalar::<f32>()?, 1.0);
    }
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let x = Array::random(&[7, 24, 11, 9], 1).tensor(&Device::Cpu)?;
    let dy = Array::random(&[7, 24, 5, 4], 2).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        Ok(vec![OVERLAPPING.forward(&x)?, OVERLAPPING.backward(&x, &dy)?])
    })
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((1, 4, 2, 2), DType::F32, &Device::Cpu)?;
    let pool = |kernel, stride| MaxPool2d { kernel, stride, ceil: true }.forward(&x);
    assert!(refusal(pool(3, 2)).contains("larger than the map, 2"));
    assert!(refusal(pool(0, 1)).contains("kernel 0"));
    assert!(refusal(pool(1, 0)).contains("stride 0"));
    let pool = MaxPool2d { kernel: 2, stride: usize::MAX, ceil: true };
    assert_eq!(pool.forward(&x)?.dims(), [1, 4, 1, 1]);
    assert!(refusal(pool.forward(&x.flatten_all()?)).contains("4 dimensions"));
    assert!(refusal(pool.forward(&x.to_dtype(DType::U32)?)).contains("U32"));
    assert!(refusal(pool.forward(&x.narrow(1, 0, 0)?)).contains("empty"));
    assert!(refusal(pool.backward(&x, &x)).contains("[1, 4, 1, 1]"));
    Ok(())
}
