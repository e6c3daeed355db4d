//! Activations against their reference.

#[macro_use]
mod common;

use alexnet_kernels::Activation;
use alexnet_kernels::reference::{self, Array};
use candle_core::{DType, Device, Module, Result, Tensor};
use common::{assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

fn matches(device: &Device, shape: &[usize]) -> Result<()> {
    let x = Array::random(shape, 1);
    Activation::ALL.into_iter().try_for_each(|f| {
        let y = reference::activation(f, &x);
        check(
            device,
            std::slice::from_ref(&x),
            &y,
            |dy| vec![reference::activation_gradient(f, &y, dy)],
            |inputs| f.forward(&inputs[0]),
            |_, y, dy| Ok(vec![f.backward(y, dy)?]),
        )
    })
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

/// The ReLU's slope is 1 only where the output is above 0; NaN passes forward, and nothing back.
#[test]
fn relu_of_zero_and_nan() -> Result<()> {
    let x = Tensor::new(&[0f32, -0.0, f32::NAN, 1e-45], &Device::Cpu)?;
    let y = Activation::Relu.forward(&x)?;
    let values: Vec<f32> = y.to_vec1()?;
    assert!(values[0] == 0.0 && values[1] == 0.0 && values[2].is_nan() && values[3] == 1e-45);
    let dx: Vec<f32> = Activation::Relu.backward(&y, &x.ones_like()?)?.to_vec1()?;
    assert_eq!(dx, [0.0, 0.0, 0.0, 1.0]);
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let x = Array::random(&[7, 24, 31, 9], 1).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        Ok(vec![Activation::Relu.forward(&x)?, Activation::Tanh.backward(&x, &x)?])
    })
}

/// Large inputs saturate without overflow; NaN stays NaN.
#[test]
fn tanh_of_large_numbers_and_nan() -> Result<()> {
    let x = Tensor::new(&[1e30f32, -1e30, 1e-30, f32::NAN], &Device::Cpu)?;
    let y = Activation::Tanh.forward(&x)?;
    let values: Vec<f32> = y.to_vec1()?;
    assert!(values[..3] == [1.0, -1.0, 1e-30] && values[3].is_nan(), "{values:?}");
    let dx: Vec<f32> = Activation::Tanh.backward(&y, &x.ones_like()?)?.to_vec1()?;
    assert_eq!(dx[..3], [0.0, 0.0, 1.0]);
    Ok(())
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    assert!(refusal(Activation::Relu.forward(&x.to_dtype(DType::F64)?)).contains("F64"));
    assert!(refusal(Activation::Relu.forward(&x.narrow(0, 0, 0)?)).contains("empty"));
    assert!(refusal(Activation::Relu.backward(&x, &x.t()?)).contains("[2, 3]"));
    Ok(())
}
