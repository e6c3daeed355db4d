//! The input layer against its reference, with a mean that is the same for all crops and with one
//! that follows them.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{Input, Window, Windows};
use candle_core::{DType, Device, Result, Tensor};
use common::{TOLERANCE, VIEWS, assert_close, assert_memory_order};
use common::{assert_same_on_all_thread_counts, cases, refusal};
use proptest::prelude::*;

const INPUT: Input = Input::new([0.5, 1.0, 2.0]);

/// Whole numbers from 0 to 255.
fn pixels(shape: &[usize]) -> Array {
    Array::random(shape, 1).map(|x| ((x + 1.0) * 127.9).floor())
}

/// A mean of pixels, numbers that f32 holds.
fn mean(shape: &[usize]) -> Array {
    Array::random(shape, 2).map(|x| f64::from((120.0 + 20.0 * x) as f32))
}

/// A colour shift for each image, numbers that f32 holds.
fn shift(batch: usize) -> Array {
    Array::random(&[batch, 3], 3).map(|x| f64::from((10.0 * x) as f32))
}

fn bytes(pixels: &Array, device: &Device) -> Result<Tensor> {
    pixels.tensor(device)?.to_dtype(DType::U8)
}

fn matches(device: &Device, shape: [usize; 4], mean_image: bool) -> Result<()> {
    let (pixels, shift) = (pixels(&shape), shift(shape[0]));
    let mean = mean(if mean_image { &shape[1..] } else { &[3] });
    // A mean of three numbers is the same at every pixel.
    let times = shape[1] * shape[2] * 3 / mean.values.len();
    let each = Array { dims: shape[1..].to_vec(), values: mean.values.repeat(times) };
    let want = reference::input(INPUT.scale, &pixels, &each, &shift);
    let pixels = pixels.tensor(device)?;
    let (mean, shift) = (mean.tensor(device)?, shift.tensor(device)?);
    for view in VIEWS {
        let pixels = view.of(&pixels)?.to_dtype(DType::U8)?;
        let y = INPUT.forward(&pixels, &view.of(&mean)?, &view.of(&shift)?)?;
        assert_close(&format!("{view:?}"), &y, &want, TOLERANCE)?;
        assert_memory_order(&y)?;
    }
    let bytes = pixels.to_dtype(DType::U8)?;
    let strided = bytes.transpose(1, 2)?.contiguous()?.transpose(1, 2)?;
    let y = INPUT.forward(&strided, &mean, &shift)?;
    assert_close("strided pixels", &y, &want, TOLERANCE)
}

/// Crops of `size` of images of `whole` (height, width), one for each window.
fn aligned_matches(
    device: &Device,
    whole: [usize; 2],
    [h, w]: [usize; 2],
    windows: &[Window],
) -> Result<()> {
    let b = windows.len();
    let (pixels, mean, shift) = (pixels(&[b, h, w, 3]), mean(&[whole[0], whole[1], 3]), shift(b));
    let want = reference::input_aligned(INPUT.scale, &pixels, &mean, windows, &shift);
    let pixels = bytes(&pixels, device)?;
    let (mean, shift) = (mean.tensor(device)?, shift.tensor(device)?);
    let windows = Windows::new(windows, device)?;
    for view in VIEWS {
        let y = INPUT.forward_aligned(&pixels, &view.of(&mean)?, &windows, &view.of(&shift)?)?;
        assert_close(&format!("{view:?}"), &y, &want, TOLERANCE)?;
        assert_memory_order(&y)?;
    }
    Ok(())
}

fn matches_reference(device: &Device) -> Result<()> {
    for mean_image in [false, true] {
        matches(device, [3, 5, 4, 3], mean_image)?;
        matches(device, [1, 1, 1, 3], mean_image)?;
    }
    let window = |top, left, flip| Window { top, left, flip };
    let windows = [window(0, 0, false), window(2, 3, true), window(1, 0, true)];
    aligned_matches(device, [6, 8], [4, 5], &windows)?;
    aligned_matches(device, [1, 1], [1, 1], &windows[..1])
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn matches_reference_on_random_shapes(
        (batch, height, width, mean_image) in (1..4usize, 1..9usize, 1..9usize, any::<bool>()),
    ) {
        matches(&Device::Cpu, [batch, height, width, 3], mean_image).unwrap();
    }

    #[test]
    fn matches_reference_on_random_crops(
        (h, w) in (1..7usize, 1..7usize),
        windows in prop::collection::vec((0..4usize, 0..4usize, any::<bool>()), 1..4),
    ) {
        let window = |(top, left, flip)| Window { top, left, flip };
        let windows: Vec<Window> = windows.into_iter().map(window).collect();
        aligned_matches(&Device::Cpu, [h + 3, w + 3], [h, w], &windows).unwrap();
    }
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let cpu = &Device::Cpu;
    let (pixels, mean) = (bytes(&pixels(&[7, 9, 11, 3]), cpu)?, mean(&[9, 11, 3]).tensor(cpu)?);
    let shift = shift(7).tensor(cpu)?;
    let windows = Windows::new(&[Window { top: 0, left: 0, flip: true }; 7], cpu)?;
    assert_same_on_all_thread_counts(|| {
        let aligned = INPUT.forward_aligned(&pixels, &mean, &windows, &shift)?;
        Ok(vec![INPUT.forward(&pixels, &mean, &shift)?, aligned])
    })
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let cpu = &Device::Cpu;
    let pixels = Tensor::zeros((2, 4, 5, 3), DType::U8, cpu)?;
    let mean = Tensor::zeros(3, DType::F32, cpu)?;
    let shift = Tensor::zeros((2, 3), DType::F32, cpu)?;
    let input = |pixels: &Tensor, mean: &Tensor, shift: &Tensor| {
        refusal(INPUT.forward(pixels, mean, shift))
    };
    assert!(input(&pixels.to_dtype(DType::F32)?, &mean, &shift).contains("F32"));
    assert!(input(&pixels.permute((0, 3, 1, 2))?, &mean, &shift).contains("[2, 3, 4, 5]"));
    assert!(input(&pixels.narrow(0, 0, 0)?, &mean, &shift).contains("no pixels"));
    assert!(input(&pixels, &shift, &shift).contains("[4, 5, 3]"));
    assert!(input(&pixels, &mean.narrow(0, 0, 2)?, &shift).contains("[3]"));
    assert!(input(&pixels, &mean, &mean).contains("[2, 3]"));
    let half = Input { output: DType::BF16, ..INPUT };
    assert!(refusal(half.forward(&pixels, &mean, &shift)).contains("f32, not BF16"));
    Ok(())
}

#[test]
fn refuses_windows_that_do_not_fit() -> Result<()> {
    let cpu = &Device::Cpu;
    let pixels = Tensor::zeros((2, 4, 5, 3), DType::U8, cpu)?;
    let mean = Tensor::zeros((6, 8, 3), DType::F32, cpu)?;
    let shift = Tensor::zeros((2, 3), DType::F32, cpu)?;
    let window = |top, left| Window { top, left, flip: false };
    let run = |pixels: &Tensor, mean: &Tensor, windows: &[Window]| {
        INPUT.forward_aligned(pixels, mean, &Windows::new(windows, cpu)?, &shift)
    };
    let fits = [window(0, 0), window(2, 3)];
    assert!(run(&pixels, &mean, &fits).is_ok());
    assert!(refusal(run(&pixels, &mean, &fits[..1])).contains("2 crops, but 1 windows"));
    for outside in [window(3, 3), window(2, usize::MAX)] {
        assert!(refusal(run(&pixels, &mean, &[fits[0], outside])).contains("leaves the mean"));
    }
    assert!(refusal(run(&pixels.to_dtype(DType::F32)?, &mean, &fits)).contains("F32"));
    assert!(refusal(run(&pixels, &mean.flatten_all()?, &fits)).contains("(H, W, 3)"));
    assert!(refusal(run(&pixels, &mean.to_dtype(DType::F64)?, &fits)).contains("F64"));
    Ok(())
}
