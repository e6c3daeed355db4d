//! The dense layer against its reference.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{InputGrad, Linear, linear};
use candle_core::{DType, Device, Module, Result, Tensor};
use common::{TOLERANCE, all, assert_close, assert_same_on_all_thread_counts, cases, check, flat};
use common::{assert_memory_order, refusal};
use proptest::prelude::*;

/// `x` (B, I), `w` (O, I) and a bias, at random.
fn inputs(batch: usize, features: usize, out: usize) -> [Array; 3] {
    let shapes: [&[usize]; 3] = [&[batch, features], &[out, features], &[out]];
    [0, 1, 2].map(|i| Array::random(shapes[i], i as u32))
}

fn backward(inputs: &[Tensor], dy: &Tensor) -> Result<Vec<Tensor>> {
    let layer = Linear::new(inputs[1].clone(), inputs[2].clone())?;
    layer.backward(&inputs[0], dy, InputGrad::Plain).map(all)
}

fn matches(device: &Device, batch: usize, features: usize, out: usize) -> Result<()> {
    let inputs @ [x, w, bias] = &inputs(batch, features, out);
    check(
        device,
        inputs,
        &reference::linear(x, w, bias),
        |dy| reference::linear_gradients(x, w, dy).into(),
        |t| linear(&t[0], &t[1], Some(&t[2])),
        |t, _, dy| backward(t, dy),
    )
}

fn matches_reference(device: &Device) -> Result<()> {
    matches(device, 3, 7, 5)?;
    matches(device, 1, 1, 1)?;
    matches(device, 1, 40, 3)
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn matches_reference_on_random_shapes(
        (batch, features, out) in (1..6usize, 1..12usize, 1..9usize),
    ) {
        matches(&Device::Cpu, batch, features, out).unwrap();
    }
}

/// More outputs than one task computes, and more of everything than a tile of the transpose.
#[test]
fn several_tiles_match_reference() -> Result<()> {
    matches(&Device::Cpu, 37, 301, 331)
}

/// Weights are not copied, so strides of zero reach the matmuls.
#[test]
fn broadcast_weights() -> Result<()> {
    let [x, row, bias] = inputs(3, 5, 1).map(|array| array.tensor(&Device::Cpu));
    let (x, row, bias) = (x?, row?, bias?.broadcast_as(4)?);
    let dy = Array::random(&[3, 4], 3).tensor(&Device::Cpu)?;
    let results = |w: Tensor| -> Result<[Tensor; 2]> {
        let layer = Linear::new(w, bias.clone())?;
        let grads = layer.backward(&x, &dy, InputGrad::Plain)?;
        Ok([layer.forward(&x)?, grads.input.expect("it was asked for")])
    };
    let w = row.broadcast_as((4, 5))?;
    for (got, want) in results(w.clone())?.iter().zip(&results(w.contiguous()?)?) {
        assert_close("broadcast", got, &Array::of(want)?, TOLERANCE)?;
        assert_memory_order(got)?;
    }
    Ok(())
}

#[test]
fn leaves_out_what_is_not_asked_for() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    let layer = Linear::new(x.clone(), Tensor::zeros(2, DType::F32, &Device::Cpu)?)?;
    assert!(layer.backward(&x, &x.narrow(1, 0, 2)?, InputGrad::Skip)?.input.is_none());
    assert_eq!(flat(&linear(&x, &x, None)?)?, flat(&layer.forward(&x)?)?);
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let inputs = inputs(37, 301, 331).map(|array| array.tensor(&Device::Cpu));
    let inputs: Vec<Tensor> = inputs.into_iter().collect::<Result<_>>()?;
    let dy = Array::random(&[37, 331], 4).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        let mut results = backward(&inputs, &dy)?;
        results.push(linear(&inputs[0], &inputs[1], Some(&inputs[2]))?);
        Ok(results)
    })
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    let w = Tensor::ones((4, 3), DType::F32, &Device::Cpu)?;
    let bias = Tensor::ones(4, DType::F32, &Device::Cpu)?;
    assert!(refusal(Linear::new(w.clone(), x.clone())).contains("[4]"));
    assert!(refusal(Linear::new(bias.clone(), bias.clone())).contains("2 dimensions"));
    let layer = Linear::new(w, bias.clone())?;
    assert!(refusal(layer.forward(&x.narrow(1, 0, 2)?)).contains("2 features, the weight takes 3"));
    assert!(refusal(layer.forward(&bias)).contains("2 dimensions"));
    assert!(refusal(layer.forward(&x.narrow(0, 0, 0)?)).contains("empty"));
    assert!(refusal(layer.forward(&x.to_dtype(DType::BF16)?)).contains("BF16"));
    assert!(refusal(layer.backward(&x, &x, InputGrad::Plain)).contains("[2, 4]"));
    Ok(())
}
