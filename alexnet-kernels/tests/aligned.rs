//! The input layer whose mean follows the crop, against its formula in f64.

mod common;

use alexnet_kernels::{Input, Window};
use candle_core::{Device, Result, Tensor};
use common::{Array, TOLERANCE, VIEWS, assert_close, assert_memory_order, cases};
use proptest::prelude::*;

const SCALE: [f32; 3] = [0.5, 1.0, 2.0];

/// Crops of `size` of images of `whole` (height, width), one for each window.
fn matches(device: &Device, whole: [usize; 2], size: [usize; 2], windows: &[Window]) -> Result<()> {
    let ([rows, columns], [h, w], b) = (whole, size, windows.len());
    let pixels: Vec<u8> =
        Array::random(&[b, h, w, 3], 1).values.iter().map(|x| ((x + 1.0) * 127.9) as u8).collect();
    let mean = Array::random(&[rows, columns, 3], 2).map(|x| f64::from((120.0 + 20.0 * x) as f32));
    let shift = Array::random(&[b, 3], 3).map(|x| f64::from((10.0 * x) as f32));
    let want = Array::build4([b, 3, h, w], |[b, c, y, x]| {
        let Window { top, left, flip } = windows[b];
        let column = if flip { left + w - 1 - x } else { left + x };
        let mean = mean.values[((top + y) * columns + column) * 3 + c];
        let pixel = f64::from(pixels[((b * h + y) * w + x) * 3 + c]);
        (pixel - mean + shift.values[b * 3 + c]) * f64::from(SCALE[c])
    });
    let pixels = Tensor::from_vec(pixels, (b, h, w, 3), device)?;
    let (mean, shift) = (mean.tensor(device)?, shift.tensor(device)?);
    for view in VIEWS {
        let input = Input::new(SCALE);
        let y = input.forward_aligned(&pixels, &view.of(&mean)?, windows, &view.of(&shift)?)?;
        assert_close(&format!("{view:?}"), &y, &want, TOLERANCE)?;
        assert_memory_order(&y)?;
    }
    Ok(())
}

fn matches_oracle(device: &Device) -> Result<()> {
    let window = |top, left, flip| Window { top, left, flip };
    let windows = [window(0, 0, false), window(2, 3, true), window(1, 0, true)];
    matches(device, [6, 8], [4, 5], &windows)?;
    matches(device, [1, 1], [1, 1], &windows[..1])
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
    fn matches_oracle_on_random_crops(
        size in (1..7usize, 1..7usize),
        windows in prop::collection::vec((0..4usize, 0..4usize, any::<bool>()), 1..4),
    ) {
        let windows: Vec<Window> =
            windows.into_iter().map(|(top, left, flip)| Window { top, left, flip }).collect();
        let (h, w) = size;
        matches(&Device::Cpu, [h + 3, w + 3], [h, w], &windows).unwrap();
    }
}

#[test]
fn refuses_what_does_not_fit() -> Result<()> {
    let device = &Device::Cpu;
    let pixels = Tensor::zeros((2, 4, 5, 3), candle_core::DType::U8, device)?;
    let mean = Tensor::zeros((6, 8, 3), candle_core::DType::F32, device)?;
    let shift = Tensor::zeros((2, 3), candle_core::DType::F32, device)?;
    let window = |top, left| Window { top, left, flip: false };
    let run = |pixels: &Tensor, mean: &Tensor, windows: &[Window]| {
        Input::new(SCALE).forward_aligned(pixels, mean, windows, &shift)
    };
    let fits = [window(0, 0), window(2, 3)];
    assert!(run(&pixels, &mean, &fits).is_ok());
    for windows in [&fits[..1], &[fits[0], window(3, 3)], &[fits[0], window(2, usize::MAX)]] {
        assert!(run(&pixels, &mean, windows).is_err(), "{windows:?}");
    }
    let floats = pixels.to_dtype(candle_core::DType::F32)?;
    assert!(run(&floats, &mean, &fits).is_err());
    assert!(run(&pixels, &mean.flatten_all()?, &fits).is_err());
    assert!(run(&pixels, &mean.to_dtype(candle_core::DType::F64)?, &fits).is_err());
    Ok(())
}
