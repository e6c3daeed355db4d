//! The input layer against its formula in f64.

mod common;

use alexnet_kernels::Input;
use candle_core::{DType, Device, Result, Tensor};
use common::{
    Array, TOLERANCE, VIEWS, assert_close, assert_memory_order, assert_same_on_all_thread_counts,
    cases, refusal,
};
use proptest::prelude::*;

const SCALE: [f32; 3] = [0.5, 1.0, 2.0];

/// Bytes in −1..1 spread over 0..=255.
fn bytes(x: &Array) -> Vec<u8> {
    x.values.iter().map(|x| ((x + 1.0) * 127.9) as u8).collect()
}

fn matches(device: &Device, shape: [usize; 4], mean_image: bool) -> Result<()> {
    let [batch, height, width, _] = shape;
    let pixels = bytes(&Array::random(&shape, 1));
    let mean_shape: &[usize] = if mean_image { &shape[1..] } else { &[3] };
    let mean = Array::random(mean_shape, 2).map(|x| f64::from((120.0 + 20.0 * x) as f32));
    let shift = Array::random(&[batch, 3], 3).map(|x| f64::from((10.0 * x) as f32));
    let want = Array::build4([batch, 3, height, width], |[b, c, h, w]| {
        let place = (h * width + w) * 3 + c;
        let pixel = f64::from(pixels[b * height * width * 3 + place]);
        let mean = mean.values[if mean_image { place } else { c }];
        (pixel - mean + shift.values[b * 3 + c]) * f64::from(SCALE[c])
    });
    let pixels = Tensor::from_vec(pixels, &shape, device)?;
    let (mean, shift) = (mean.tensor(device)?, shift.tensor(device)?);
    for view in VIEWS {
        let pixels = pixels.to_dtype(DType::F32)?;
        let pixels = view.of(&pixels)?.to_dtype(DType::U8)?;
        let y = Input::new(SCALE).forward(&pixels, &view.of(&mean)?, &view.of(&shift)?)?;
        assert_close(&format!("{view:?}"), &y, &want, TOLERANCE)?;
        assert_memory_order(&y)?;
    }
    let strided = pixels.transpose(1, 2)?.contiguous()?.transpose(1, 2)?;
    let y = Input::new(SCALE).forward(&strided, &mean, &shift)?;
    assert_close("strided pixels", &y, &want, TOLERANCE)
}

fn matches_oracle(device: &Device) -> Result<()> {
    for mean_image in [false, true] {
        matches(device, [3, 5, 4, 3], mean_image)?;
        matches(device, [1, 1, 1, 3], mean_image)?;
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
    #![proptest_config(cases(16))]

    #[test]
    fn matches_oracle_on_random_shapes(
        (batch, height, width, mean_image) in (1..4usize, 1..9usize, 1..9usize, any::<bool>()),
    ) {
        matches(&Device::Cpu, [batch, height, width, 3], mean_image).unwrap();
    }
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let shape = [7, 9, 11, 3];
    let pixels = Tensor::from_vec(bytes(&Array::random(&shape, 1)), &shape, &Device::Cpu)?;
    let mean = Array::random(&shape[1..], 2).tensor(&Device::Cpu)?;
    let shift = Array::random(&[7, 3], 3).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| {
        Ok(vec![Input::new(SCALE).forward(&pixels, &mean, &shift)?])
    })
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let cpu = &Device::Cpu;
    let pixels = Tensor::zeros((2, 4, 5, 3), DType::U8, cpu)?;
    let mean = Tensor::zeros(3, DType::F32, cpu)?;
    let shift = Tensor::zeros((2, 3), DType::F32, cpu)?;
    let input = |pixels: &Tensor, mean: &Tensor, shift: &Tensor| {
        refusal(Input::new(SCALE).forward(pixels, mean, shift))
    };
    assert!(input(&pixels.to_dtype(DType::F32)?, &mean, &shift).contains("F32"));
    assert!(input(&pixels.permute((0, 3, 1, 2))?, &mean, &shift).contains("[2, 3, 4, 5]"));
    assert!(input(&pixels.narrow(0, 0, 0)?, &mean, &shift).contains("no pixels"));
    assert!(input(&pixels, &shift, &shift).contains("[4, 5, 3]"));
    assert!(input(&pixels, &mean.narrow(0, 0, 2)?, &shift).contains("[3]"));
    assert!(input(&pixels, &mean, &mean).contains("[2, 3]"));
    Ok(())
}
