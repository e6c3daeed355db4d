//! The loss against its formula in f64.

mod common;

use alexnet_kernels::SoftmaxCrossEntropy;
use candle_core::{DType, Device, Result, Tensor};
use common::{
    Array, TOLERANCE, assert_close, assert_same_on_all_thread_counts, cases, check, refusal,
};
use proptest::prelude::*;

/// The loss of each row.
fn losses(logits: &Array, labels: &[u32]) -> Vec<f64> {
    let rows = logits.values.chunks(logits.dims[1]).zip(labels);
    rows.map(|(z, &label)| {
        let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
        sum.ln() - (z[label as usize] - max)
    })
    .collect()
}

fn matches(device: &Device, batch: usize, classes: usize, spread: f64) -> Result<()> {
    let logits = Array::random(&[batch, classes], 1).map(|z| f64::from((z * spread) as f32));
    let labels: Vec<u32> = (0..batch).map(|b| (b * 7 % classes) as u32).collect();
    let label_tensor = Tensor::new(&labels[..], device)?;
    check(
        device,
        std::slice::from_ref(&logits),
        &|inputs| {
            let losses = losses(&inputs[0], &labels);
            Array { dims: vec![], values: vec![losses.iter().sum::<f64>() / batch as f64] }
        },
        &|inputs| SoftmaxCrossEntropy.forward(&inputs[0], &label_tensor),
        &|inputs, _, dy| {
            let (rows, dz) = SoftmaxCrossEntropy.loss_and_gradient(&inputs[0], &label_tensor)?;
            let want = Array { dims: vec![batch], values: losses(&logits, &labels) };
            assert_close("losses", &rows, &want, TOLERANCE)?;
            Ok(vec![dz.broadcast_mul(dy)?])
        },
    )
}

fn matches_oracle(device: &Device) -> Result<()> {
    matches(device, 5, 7, 3.0)?;
    matches(device, 1, 1, 1.0)?;
    matches(device, 1, 1000, 10.0)
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
    #![proptest_config(cases(16))]

    #[test]
    fn matches_oracle_on_random_shapes(
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
    let (losses, dz) = SoftmaxCrossEntropy.loss_and_gradient(&logits, &labels)?;
    assert_eq!(losses.to_vec1::<f32>()?, [2e4, std::f32::consts::LN_2]);
    assert_eq!(dz.to_vec2::<f32>()?, [[0.5, -0.5], [-0.25, 0.25]]);
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let logits = Array::random(&[64, 100], 1).tensor(&Device::Cpu)?;
    let labels = Tensor::arange(0u32, 64, &Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        let (losses, dz) = SoftmaxCrossEntropy.loss_and_gradient(&logits, &labels)?;
        Ok(vec![SoftmaxCrossEntropy.forward(&logits, &labels)?, losses, dz])
    })
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let cpu = &Device::Cpu;
    let logits = Tensor::ones((2, 3), DType::F32, cpu)?;
    let loss = |labels: &Tensor| {
        let message = refusal(SoftmaxCrossEntropy.forward(&logits, labels));
        assert_eq!(message, refusal(SoftmaxCrossEntropy.loss_and_gradient(&logits, labels)));
        message
    };
    assert!(loss(&Tensor::new(&[0u32, 3], cpu)?).contains("row 1 is 3, with 3 classes"));
    assert!(loss(&Tensor::new(&[0u32, 1, 2], cpu)?).contains("[2]"));
    assert!(loss(&Tensor::new(&[0i64, 1], cpu)?).contains("I64"));
    let labels = Tensor::new(&[0u32, 1], cpu)?;
    let empty = logits.narrow(1, 0, 0)?;
    assert!(refusal(SoftmaxCrossEntropy.forward(&empty, &labels)).contains("empty"));
    let flat = logits.flatten_all()?;
    assert!(refusal(SoftmaxCrossEntropy.forward(&flat, &labels)).contains("2 dimensions"));
    Ok(())
}
