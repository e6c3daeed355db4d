//! Rectified linear units against their reference.

#[macro_use]
mod common;

use alexnet_kernels::Relu;
use alexnet_kernels::reference::{self, Array};
use candle_core::{DType, Device, Module, Result, Tensor};
use common::{assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

fn matches(device: &Device, shape: &[usize]) -> Result<()> {
    let x = Array::random(shape, 1);
    let y = reference::relu(&x);
    check(
        device,
        &[x],
        &y,
        |dy| vec![reference::relu_gradient(&y, dy)],
        |inputs| Relu.forward(&inputs[0]),
        |_, y, dy| Ok(vec![Relu.backward(y, dy)?]),
    )
}

fn matches_reference(device: &Device) -> Result<()> {
    matches(device, &[2, 3, 4, 5])?;
    matches(device, &[7, 9])?;
    matches(device, &[1, 1, 1, 1])
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn matches_reference_on_random_shapes(shape in prop::collection::vec(1..6usize, 1..5)) {
        matches(&Device::Cpu, &shape).unwrap();
    }
}

/// The gradient is 1 only where the output is above 0; NaN passes forward, and nothing back.
#[test]
fn zero_and_nan() -> Result<()> {
    let x = Tensor::new(&[0f32, -0.0, f32::NAN, 1e-45], &Device::Cpu)?;
    let y = Relu.forward(&x)?;
    let values: Vec<f32> = y.to_vec1()?;
    assert!(values[0] == 0.0 && values[1] == 0.0 && values[2].is_nan() && values[3] == 1e-45);
    let dx: Vec<f32> = Relu.backward(&y, &x.ones_like()?)?.to_vec1()?;
    assert_eq!(dx, [0.0, 0.0, 0.0, 1.0]);
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let x = Array::random(&[7, 24, 31, 9], 1).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| Ok(vec![Relu.forward(&x)?, Relu.backward(&x, &x)?]))
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    assert!(refusal(Relu.forward(&x.to_dtype(DType::F64)?)).contains("F64"));
    assert!(refusal(Relu.forward(&x.narrow(0, 0, 0)?)).contains("empty"));
    assert!(refusal(Relu.backward(&x, &x.t()?)).contains("[2, 3]"));
    Ok(())
}
