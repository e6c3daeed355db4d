//! The dense layer against sums over f64.

mod common;

use alexnet_kernels::{InputGradient, Linear};
use candle_core::{DType, Device, Result, Tensor};
use common::{Array, assert_close, assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

fn oracle(inputs: &[Array]) -> Array {
    let [x, w, bias] = inputs else { panic!("three inputs") };
    let (batch, features, out) = (x.dims[0], x.dims[1], w.dims[0]);
    let mut y = Array::zeros(&[batch, out]);
    for b in 0..batch {
        for o in 0..out {
            let (x, w) = (&x.values[b * features..], &w.values[o * features..]);
            let products = x.iter().zip(w).take(features).map(|(x, w)| x * w);
            y.values[b * out + o] = bias.values[o] + products.sum::<f64>();
        }
    }
    y
}

fn inputs(batch: usize, features: usize, out: usize) -> [Array; 3] {
    let shapes: [&[usize]; 3] = [&[batch, features], &[out, features], &[out]];
    [0, 1, 2].map(|i| Array::random(shapes[i], i as u64))
}

fn matches(device: &Device, batch: usize, features: usize, out: usize) -> Result<()> {
    check(
        device,
        &inputs(batch, features, out),
        &oracle,
        &|inputs| Linear.forward(&inputs[0], &inputs[1], &inputs[2]),
        &|inputs, _, dy| {
            let gradients = Linear.backward(&inputs[0], &inputs[1], dy, InputGradient::Plain)?;
            Ok(vec![gradients.input.expect("asked for"), gradients.weight, gradients.bias])
        },
    )
}

fn matches_oracle(device: &Device) -> Result<()> {
    matches(device, 3, 7, 5)?;
    matches(device, 1, 1, 1)?;
    matches(device, 1, 40, 3)
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
    fn matches_oracle_on_random_shapes(batch in 1..6usize, features in 1..12usize, out in 1..9usize) {
        matches(&Device::Cpu, batch, features, out).unwrap();
    }
}

/// More outputs than one task computes, and more of everything than a tile of the transpose.
#[test]
fn several_tiles_match_oracle() -> Result<()> {
    let arrays = inputs(37, 301, 331);
    let [x, w, bias] = [0, 1, 2].map(|i| arrays[i].tensor(&Device::Cpu));
    let (x, w) = (x?, w?);
    assert_close("y", &Linear.forward(&x, &w, &bias?)?, &oracle(&arrays), 1e-5)?;
    let dy = Array::random(&[37, 331], 4);
    let got = Linear.backward(&x, &w, &dy.tensor(&Device::Cpu)?, InputGradient::Plain)?;
    let (mut dx, mut dw) = (Array::zeros(&[37, 301]), Array::zeros(&[331, 301]));
    for b in 0..37 {
        for o in 0..331 {
            for i in 0..301 {
                let dy = dy.values[b * 331 + o];
                dx.values[b * 301 + i] += dy * arrays[1].values[o * 301 + i];
                dw.values[o * 301 + i] += dy * arrays[0].values[b * 301 + i];
            }
        }
    }
    assert_close("dx", &got.input.expect("asked for"), &dx, 1e-5)?;
    assert_close("dw", &got.weight, &dw, 1e-5)
}

/// Weights are not copied, so strides of zero reach the product of matrices.
#[test]
fn broadcast_weights() -> Result<()> {
    let x = Array::random(&[3, 5], 1).tensor(&Device::Cpu)?;
    let row = Array::random(&[1, 5], 2).tensor(&Device::Cpu)?;
    let (w, bias) = (row.broadcast_as((4, 5))?, Tensor::zeros(4, DType::F32, &Device::Cpu)?);
    let dy = Array::random(&[3, 4], 3).tensor(&Device::Cpu)?;
    let results = |w: &Tensor| -> Result<Vec<Vec<f32>>> {
        let (y, dx) = (
            Linear.forward(&x, w, &bias)?,
            Linear.backward(&x, w, &dy, InputGradient::Plain)?.input,
        );
        [y, dx.expect("asked for")].iter().map(|t| t.flatten_all()?.to_vec1()).collect()
    };
    for (got, want) in
        results(&w)?.iter().flatten().zip(results(&w.contiguous()?)?.iter().flatten())
    {
        assert!((got - want).abs() < 1e-6, "{got}, want {want}");
    }
    Ok(())
}

#[test]
fn leaves_the_input_gradient_out_when_not_asked() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    assert!(Linear.backward(&x, &x, &x.narrow(1, 0, 2)?, InputGradient::No)?.input.is_none());
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let arrays = inputs(37, 301, 331);
    let [x, w, bias] = [0, 1, 2].map(|i| arrays[i].tensor(&Device::Cpu));
    let (x, w, bias) = (x?, w?, bias?);
    let dy = Array::random(&[37, 331], 4).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        let gradients = Linear.backward(&x, &w, &dy, InputGradient::Plain)?;
        let y = Linear.forward(&x, &w, &bias)?;
        Ok(vec![y, gradients.input.expect("asked for"), gradients.weight, gradients.bias])
    })
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    let w = Tensor::ones((4, 3), DType::F32, &Device::Cpu)?;
    let bias = Tensor::ones(4, DType::F32, &Device::Cpu)?;
    assert!(refusal(Linear.forward(&x, &w.t()?, &bias)).contains("3 features, the weight takes 4"));
    assert!(refusal(Linear.forward(&x, &w, &x)).contains("[4]"));
    assert!(refusal(Linear.forward(&bias, &w, &bias)).contains("2 dimensions"));
    assert!(refusal(Linear.forward(&x.narrow(0, 0, 0)?, &w, &bias)).contains("empty"));
    assert!(refusal(Linear.forward(&x.to_dtype(DType::BF16)?, &w, &bias)).contains("BF16"));
    assert!(refusal(Linear.backward(&x, &w, &x, InputGradient::Plain)).contains("[2, 4]"));
    Ok(())
}
