//! The loss against its reference.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{cross_entropy, cross_entropy_with_grad, cross_entropy_with_guesses};
use candle_core::{DType, Device, Result, Tensor};
use common::{TOLERANCE, assert_close, assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

fn matches(device: &Device, batch: usize, classes: usize, spread: f64) -> Result<()> {
    let logits = Array::random(&[batch, classes], 1).map(|z| f64::from((z * spread) as f32));
    let labels: Vec<u32> = (0..batch).map(|b| (b * 7 % classes) as u32).collect();
    let (losses, gradient) = &reference::softmax_cross_entropy(&logits, &labels);
    let right = reference::right_guesses(&logits, &labels);
    let mean = losses.values.iter().sum::<f64>() / batch as f64;
    let labels = Tensor::new(&labels[..], device)?;
    check(
        device,
        &[logits],
        &Array { dims: vec![], values: vec![mean] },
        |dy| vec![gradient.map(|dz| dz * dy.values[0])],
        |inputs| cross_entropy(&inputs[0], &labels),
        |inputs, _, dy| {
            let (results, dz) = cross_entropy_with_guesses(&inputs[0], &labels)?;
            assert_close("losses", &results.get(0)?, losses, TOLERANCE)?;
            assert_close("right", &results.get(1)?, &right, 0.0)?;
            Ok(vec![dz.broadcast_mul(dy)?])
        },
    )
}

fn matches_reference(device: &Device) -> Result<()> {
    matches(device, 5, 7, 3.0)?;
    matches(device, 1, 1, 1.0)?;
    matches(device, 1, 1000, 10.0)
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn matches_reference_on_random_shapes(
        (batch, classes, spread) in (1..6usize, 1..20usize, 0.1..20f64),
    ) {
        matches(&Device::Cpu, batch, classes, spread).unwrap();
    }
}

/// Logits whose exponentials leave f32 in both directions; equal logits give ln K.
#[test]
fn extreme_logits_stay_finite() -> Result<()> {
    let logits = Tensor::new(&[[1e4f32, -1e4], [-1e4, -1e4]], &Device::Cpu)?;
    let labels = Tensor::new(&[1u32, 0], &Device::Cpu)?;
    let (results, dz) = cross_entropy_with_guesses(&logits, &labels)?;
    assert_eq!(results.to_vec2::<f32>()?, [[2e4, std::f32::consts::LN_2], [0.0, 0.5]]);
    assert_eq!(dz.to_vec2::<f32>()?, [[0.5, -0.5], [-0.25, 0.25]]);
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let logits = Array::random(&[64, 100], 1).tensor(&Device::Cpu)?;
    let labels = Tensor::arange(0u32, 64, &Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        let (losses, dz) = cross_entropy_with_grad(&logits, &labels)?;
        Ok(vec![cross_entropy(&logits, &labels)?, losses, dz])
    })
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let cpu = &Device::Cpu;
    let logits = Tensor::ones((2, 3), DType::F32, cpu)?;
    let loss = |logits: &Tensor, labels: &Tensor| {
        let message = refusal(cross_entropy(logits, labels));
        assert_eq!(message, refusal(cross_entropy_with_grad(logits, labels)));
        message
    };
    let wrong = Tensor::new(&[0u32, 3], cpu)?;
    assert!(loss(&logits, &wrong).contains("row 1 is 3, with 3 classes"));
    assert!(loss(&logits, &Tensor::new(&[0u32, 1, 2], cpu)?).contains("[2]"));
    assert!(loss(&logits, &Tensor::new(&[0i64, 1], cpu)?).contains("I64"));
    let labels = Tensor::new(&[0u32, 1], cpu)?;
    assert!(loss(&logits.narrow(1, 0, 0)?, &labels).contains("empty"));
    assert!(loss(&logits.flatten_all()?, &labels).contains("2 dimensions"));
    Ok(())
}
