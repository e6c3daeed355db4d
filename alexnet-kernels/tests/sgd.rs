//! The update rule against its reference.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Sgd, channels_last};
use candle_core::{DType, Device, Result, Tensor};
use common::{TOLERANCE, assert_close, assert_same_on_all_thread_counts, cases, refusal};
use proptest::prelude::*;

/// Strong constants, so that a wrong term shows.
const STRONG: Sgd = Sgd { rate: 0.3, momentum: 0.9, decay: 0.5 };

/// Two updates of n weights, with an assertion after each.
fn matches(device: &Device, sgd: Sgd, n: usize) -> Result<()> {
    let mut want = Array::random(&[2, n], 1);
    let state = want.tensor(device)?;
    for step in 0..2 {
        let gradient = Array::random(&[n], 2 + step);
        want = reference::sgd(sgd, &want, &gradient);
        sgd.update(&state, &gradient.tensor(device)?)?;
        assert_close("state", &state, &want, TOLERANCE)?;
    }
    Ok(())
}

fn matches_reference(device: &Device) -> Result<()> {
    matches(device, STRONG, 100_003)?;
    matches(device, Sgd { decay: 0.0, ..STRONG }, 1)
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn matches_reference_on_random_constants(
        (rate, momentum, decay, n) in (0.001..1f32, 0.0..1f32, 0.0..1f32, 1..300usize),
    ) {
        matches(&Device::Cpu, Sgd { rate, momentum, decay }, n).unwrap();
    }
}

/// Weights handed out as a channels-last view see the update, whose gradient has the same memory.
#[test]
fn views_of_the_state_see_the_update() -> Result<()> {
    let state = Array::random(&[2, 24], 1).tensor(&Device::Cpu)?;
    let weights = state.get(0)?.reshape((2, 2, 3, 2))?.permute((0, 3, 1, 2))?; // (O, C, kH, kW)
    let before = weights.force_contiguous()?;
    let gradient = Array::random(&[2, 2, 2, 3], 2).tensor(&Device::Cpu)?;
    let velocity = state.get(1)?.reshape((2, 2, 3, 2))?.permute((0, 3, 1, 2))?;
    let velocity = (velocity.force_contiguous()? * 0.9)?;
    STRONG.update(&state, &channels_last(&gradient)?)?;
    let want = ((&before + velocity)? - (before * 0.15)?)?.sub(&(gradient * 0.3)?)?;
    let difference = (weights - want)?.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(difference < 1e-6, "{difference}");
    Ok(())
}

/// Rate 0 leaves the velocity as it is too.
#[test]
fn rate_zero_changes_nothing() -> Result<()> {
    let state = Array::random(&[2, 9], 1).tensor(&Device::Cpu)?;
    let before = state.force_contiguous()?.to_vec2::<f32>()?;
    Sgd { rate: 0.0, ..STRONG }.update(&state, &Tensor::ones(9, DType::F32, &Device::Cpu)?)?;
    assert_eq!(state.to_vec2::<f32>()?, before);
    Ok(())
}

/// On GPUs the copy is the new weights, rounded.
#[cfg(feature = "cuda")]
#[test]
fn the_copy_is_the_new_weights_on_cuda() -> Result<()> {
    let gpu = common::gpu()?;
    let (before, gradient) = (Array::random(&[2, 1031], 1), Array::random(&[1031], 2));
    let (state, copy) = (before.tensor(&gpu)?, Tensor::zeros(1031, DType::BF16, &gpu)?);
    STRONG.update_with_copy(&state, &gradient.tensor(&gpu)?, &copy)?;
    assert_close("state", &state, &reference::sgd(STRONG, &before, &gradient), TOLERANCE)?;
    let rounded = state.get(0)?.to_dtype(DType::BF16)?;
    assert_eq!(Array::of(&copy)?, Array::of(&rounded)?);
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    assert_same_on_all_thread_counts(|| {
        let state = Array::random(&[2, 100_003], 1).tensor(&Device::Cpu)?;
        STRONG.update(&state, &Array::random(&[100_003], 2).tensor(&Device::Cpu)?)?;
        Ok(vec![state])
    })
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let state = Tensor::ones((2, 6), DType::F32, &Device::Cpu)?;
    let gradient = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    let update = |state: &Tensor, gradient: &Tensor| refusal(STRONG.update(state, gradient));
    assert!(update(&state, &gradient.narrow(0, 0, 1)?).contains("[1, 3]"));
    assert!(update(&state.narrow(0, 0, 1)?, &gradient).contains("[1, 6]"));
    assert!(update(&state.reshape((6, 2))?.t()?, &gradient).contains("contiguous"));
    assert!(update(&state, &gradient.to_dtype(DType::F64)?).contains("F64"));
    let wider = Tensor::ones((2, 4), DType::F32, &Device::Cpu)?;
    assert!(update(&state, &wider.narrow(1, 0, 3)?).contains("gaps"));
    assert!(update(&state, &state.get(0)?).contains("shares storage"));
    let with = |copy: &Tensor| refusal(STRONG.update_with_copy(&state, &gradient, copy));
    assert!(with(&gradient).contains("6 elements of bf16 in a row, got F32"));
    let copy = Tensor::zeros(6, DType::BF16, &Device::Cpu)?;
    assert!(with(&copy.narrow(0, 0, 5)?).contains("got BF16 [5]"));
    assert!(with(&copy).contains("GPUs only"));
    Ok(())
}
