//! Response normalization within a map against its reference.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{InputGrad, MapNorm};
use candle_core::{DType, Device, Module, Result, Tensor};
use common::{assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

/// Strong enough (α/n² = 1) that a wrong term shows.
const STRONG: MapNorm = MapNorm { n: 3, alpha: 9.0, beta: 0.75, k: 1.0 };

fn backward(norm: MapNorm, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    Ok(norm.backward(x, dy, InputGrad::Plain)?.expect("it was asked for"))
}

fn matches(device: &Device, norm: MapNorm, shape: [usize; 4]) -> Result<()> {
    let x = &Array::random(&shape, 1);
    check(
        device,
        std::slice::from_ref(x),
        &reference::map_norm(&norm, x),
        |dy| vec![reference::map_norm_gradient(&norm, x, dy)],
        |inputs| norm.forward(&inputs[0]),
        |inputs, _, dy| Ok(vec![backward(norm, &inputs[0], dy)?]),
    )
}

/// Maps larger and smaller than the window, one pixel, one row, another exponent.
fn matches_reference(device: &Device) -> Result<()> {
    for shape in [[2, 3, 6, 5], [1, 1, 1, 1], [1, 2, 1, 7], [1, 2, 4, 2]] {
        matches(device, STRONG, shape)?;
        matches(device, MapNorm { n: 5, alpha: 25.0, ..STRONG }, shape)?;
        matches(device, MapNorm { n: 7, alpha: 49.0, beta: 0.6, ..STRONG }, shape)?;
        matches(device, MapNorm { n: 1, alpha: 1.0, ..STRONG }, shape)?;
    }
    Ok(())
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn matches_reference_on_random_shapes(
        shape in (1..3usize, 1..4usize, 1..8usize, 1..8usize),
        (radius, alpha, beta, k) in (0..4usize, 2.0..20f32, 0.2..1.5f32, 0.5..2f32),
    ) {
        let norm = MapNorm { n: 2 * radius + 1, alpha, beta, k };
        matches(&Device::Cpu, norm, shape.into()).unwrap();
    }
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let x = Array::random(&[7, 24, 5, 9], 1).tensor(&Device::Cpu)?;
    let dy = Array::random(&[7, 24, 5, 9], 2).tensor(&Device::Cpu)?;
    assert!(STRONG.backward(&x, &dy, InputGrad::Skip)?.is_none());
    assert_same_on_all_thread_counts(|| Ok(vec![STRONG.forward(&x)?, backward(STRONG, &x, &dy)?]))
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((1, 4, 2, 2), DType::F32, &Device::Cpu)?;
    assert!(refusal(MapNorm { n: 4, ..STRONG }.forward(&x)).contains("odd, got 4"));
    assert!(refusal(STRONG.forward(&x.flatten_all()?)).contains("4 dimensions"));
    assert!(refusal(STRONG.forward(&x.to_dtype(DType::F64)?)).contains("F64"));
    assert!(refusal(STRONG.forward(&x.narrow(3, 0, 0)?)).contains("empty"));
    assert!(refusal(backward(STRONG, &x, &x.narrow(1, 0, 2)?)).contains("[1, 4, 2, 2]"));
    Ok(())
}
