//! Average pooling against its reference.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{AvgPool2d, InputGrad, MaxPool2d};
use candle_core::{DType, Device, Module, Result, Tensor};
use common::{assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

/// What the authors' CIFAR-10 networks have.
const OVERLAPPING: AvgPool2d = AvgPool2d::new(3, 2).ceil(true);

fn backward(pool: AvgPool2d, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    Ok(pool.backward(x, dy, InputGrad::Plain)?.expect("it was asked for"))
}

fn matches(device: &Device, pool: AvgPool2d, shape: [usize; 4]) -> Result<()> {
    let x = &Array::random(&shape, 1);
    check(
        device,
        std::slice::from_ref(x),
        &reference::avg_pool(&pool, x, pool.output_size((shape[2], shape[3]))?),
        |dy| vec![reference::avg_pool_gradient(&pool, x, dy)],
        |inputs| pool.forward(&inputs[0]),
        |inputs, _, dy| Ok(vec![backward(pool, &inputs[0], dy)?]),
    )
}

/// Overlapping and not, floor and ceil where they differ, gaps, vectors of channels, one pixel.
fn matches_reference(device: &Device) -> Result<()> {
    for ceil in [false, true] {
        matches(device, OVERLAPPING.ceil(ceil), [2, 3, 8, 7])?;
        matches(device, OVERLAPPING.ceil(ceil), [2, 16, 16, 16])?;
        matches(device, AvgPool2d::new(2, 2).ceil(ceil), [1, 2, 5, 7])?;
        matches(device, AvgPool2d::new(2, 5).ceil(ceil), [1, 2, 9, 8])?;
        matches(device, AvgPool2d::new(1, 1).ceil(ceil), [1, 1, 1, 1])?;
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
        let pool = AvgPool2d::new(kernel, stride).ceil(ceil);
        matches(&Device::Cpu, pool, [batch, channels, height, width]).unwrap();
    }
}

/// Both poolings have the same windows, whose number `max_pool.rs` counts.
#[test]
fn windows_are_those_of_max_pooling() -> Result<()> {
    for (kernel, stride, ceil) in [(3, 2, true), (3, 2, false), (2, 3, true), (1, 5, true)] {
        for input in [(32, 16), (8, 5), (24, 12)] {
            let of_max = MaxPool2d::new(kernel, stride).ceil(ceil).output_size(input)?;
            let of_avg = AvgPool2d::new(kernel, stride).ceil(ceil).output_size(input)?;
            assert_eq!(of_avg, of_max, "{kernel} {stride} {ceil} {input:?}");
        }
    }
    let sizes = [32, 16, 8].map(|side| OVERLAPPING.output_size((side, side)).map(|size| size.0));
    assert_eq!(sizes.map(Result::unwrap), [16, 8, 4]);
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
    let pool = |kernel, stride| AvgPool2d::new(kernel, stride).ceil(true).forward(&x);
    assert!(refusal(pool(3, 2)).contains("avg-pool: the kernel, 3 pixels, is larger than the map"));
    assert!(refusal(pool(0, 1)).contains("kernel 0"));
    assert!(refusal(pool(1, 0)).contains("stride 0"));
    let pool = AvgPool2d::new(2, usize::MAX).ceil(true);
    assert_eq!(pool.forward(&x)?.dims(), [1, 4, 1, 1]);
    assert!(refusal(pool.forward(&x.flatten_all()?)).contains("4 dimensions"));
    assert!(refusal(pool.forward(&x.to_dtype(DType::U32)?)).contains("U32"));
    assert!(refusal(pool.forward(&x.narrow(1, 0, 0)?)).contains("empty"));
    assert!(refusal(pool.backward(&x, &x, InputGrad::Plain)).contains("[1, 4, 1, 1]"));
    Ok(())
}
