//! Dropout against its reference.

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{
    Dropout, DropoutKey, DropoutMode, DropoutScale, DropoutSlice, InputGrad, channels_last,
};
use candle_core::{DType, Device, Result, Tensor};
use common::{assert_same_on_all_thread_counts, cases, check, flat, refusal};
use proptest::prelude::*;

const KEY: DropoutKey = DropoutKey { seed: 0x1234_5678_9abc_def0, step: 1 << 40 | 7, layer: 6 };

fn expected(dropout: &Dropout, mode: DropoutMode, x: &Array) -> Array {
    let keep = f64::from(dropout.keep);
    match (mode, dropout.scale) {
        (DropoutMode::Train(key), DropoutScale::AtTest) => {
            reference::dropout(key, dropout.keep, 1.0, x)
        }
        (DropoutMode::Train(key), DropoutScale::AtTraining) => {
            reference::dropout(key, dropout.keep, 1.0 / keep, x)
        }
        (DropoutMode::Test, DropoutScale::AtTest) => x.map(|x| keep * x),
        (DropoutMode::Test, DropoutScale::AtTraining) => x.clone(),
    }
}

/// Both scales, both modes.
fn matches(device: &Device, keep: f32, key: DropoutKey, shape: &[usize]) -> Result<()> {
    let x = &Array::random(shape, 1);
    for scale in [DropoutScale::AtTest, DropoutScale::AtTraining] {
        for mode in [DropoutMode::Train(key), DropoutMode::Test] {
            let dropout = Dropout::new(keep).scale(scale);
            check(
                device,
                std::slice::from_ref(x),
                &expected(&dropout, mode, x),
                |dy| vec![expected(&dropout, mode, dy)],
                |inputs| dropout.forward(&inputs[0], mode),
                |_, y, dy| {
                    let dx = dropout.backward(y, dy, mode, InputGrad::Plain)?;
                    Ok(vec![dx.expect("it was asked for")])
                },
            )?;
        }
    }
    Ok(())
}

fn matches_reference(device: &Device) -> Result<()> {
    matches(device, 0.5, KEY, &[3, 7])?;
    matches(device, 0.3, KEY, &[2, 3, 3, 5])?;
    matches(device, 1.0, KEY, &[1, 1])
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn matches_reference_on_random_shapes(
        shape in prop_oneof![
            prop::collection::vec(1..9usize, 2),
            prop::collection::vec(1..5usize, 4),
        ],
        (keep, seed, step, layer) in (0.05..1f32, any::<u64>(), any::<u64>(), any::<u32>()),
    ) {
        matches(&Device::Cpu, keep, DropoutKey { seed, step, layer }, &shape).unwrap();
    }
}

/// The fraction that stays is `keep` within four standard deviations, and each part of the key
/// changes the mask.
#[test]
fn masks_are_random() -> Result<()> {
    let n = 100_000;
    let x = Tensor::ones((1, n), DType::F32, &Device::Cpu)?;
    let mask = |key| flat(&Dropout::new(0.4).forward(&x, DropoutMode::Train(key))?);
    let first = mask(KEY)?;
    for other in [
        DropoutKey { seed: KEY.seed ^ 1 << 63, ..KEY },
        DropoutKey { step: KEY.step ^ 1 << 63, ..KEY },
        DropoutKey { layer: KEY.layer + 1, ..KEY },
    ] {
        let other = mask(other)?;
        let fraction = other.iter().sum::<f32>() / n as f32;
        assert!((fraction - 0.4).abs() < 4.0 * (0.24 / n as f32).sqrt(), "{fraction}");
        let both = first.iter().zip(&other).map(|(a, b)| a * b).sum::<f32>() / n as f32;
        assert!((both - 0.16).abs() < 4.0 * (0.1344 / n as f32).sqrt(), "{both}");
    }
    Ok(())
}

/// The mask belongs to logical elements: channels-last memory drops the same ones.
#[test]
fn mask_does_not_depend_on_memory() -> Result<()> {
    let x = Tensor::ones((2, 3, 5, 7), DType::F32, &Device::Cpu)?;
    let values = |x: &Tensor| flat(&Dropout::new(0.5).forward(x, DropoutMode::Train(KEY))?);
    assert_eq!(values(&x)?, values(&channels_last(&x)?)?);
    Ok(())
}

proptest! {
    #![proptest_config(cases(24))]

    /// Slices of a layer, dropped apart, are what the whole layer drops, whatever lies around them.
    #[test]
    fn slices_drop_what_the_whole_drops(
        (b, c) in (1..4usize, 2..9usize),
        pixels in prop_oneof![Just(None), (1..4usize, 1..4usize).prop_map(Some)],
        cut in any::<prop::sample::Index>(),
        (keep, seed) in (0.1..0.9f32, any::<u64>()),
    ) {
        let (cut, area) = (1 + cut.index(c - 1), pixels.map_or(1, |(h, w)| h * w));
        let dims = pixels.map_or(vec![b, c], |(h, w)| vec![b, c, h, w]);
        let x = Array::random(&dims, 3).tensor(&Device::Cpu).unwrap();
        let dropout = Dropout::new(keep).scale(DropoutScale::AtTraining);
        let mode = DropoutMode::Train(DropoutKey { seed, ..KEY });
        let whole = dropout.forward(&x, mode).unwrap();
        for (first, count) in [(0, cut), (cut, c - cut)] {
            let slice = DropoutSlice { first: first * area, whole: c * area };
            let got = dropout.of_slice(slice).forward(&x.narrow(1, first, count).unwrap(), mode);
            let want = whole.narrow(1, first, count).unwrap();
            prop_assert_eq!(flat(&got.unwrap()).unwrap(), flat(&want).unwrap());
        }
    }
}

#[test]
fn slices_that_leave_the_layer_are_refused() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    let slice = |first, whole| {
        Dropout::new(0.5).of_slice(DropoutSlice { first, whole }).forward(&x, DropoutMode::Test)
    };
    assert!(slice(2, 5).is_ok());
    assert!(refusal(slice(3, 5)).contains("a slice of 3 units after 3 leaves an image of 5"));
    assert!(refusal(slice(usize::MAX, 5)).contains("leaves an image of 5"));
    assert!(refusal(slice(0, usize::MAX)).contains("the counter ends"));
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let x = Array::random(&[70, 1001], 1).tensor(&Device::Cpu)?;
    let dropout = Dropout::new(0.5).scale(DropoutScale::AtTraining);
    assert_same_on_all_thread_counts(|| Ok(vec![dropout.forward(&x, DropoutMode::Train(KEY))?]))
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    for keep in [0.0, -0.5, 1.5, f32::NAN] {
        let message = refusal(Dropout::new(keep).forward(&x, DropoutMode::Test));
        assert!(message.contains(&keep.to_string()), "{message}");
    }
    let (half, test) = (Dropout::new(0.5), DropoutMode::Test);
    assert!(refusal(half.forward(&x.to_dtype(DType::F64)?, test)).contains("F64"));
    assert!(refusal(half.forward(&x.narrow(0, 0, 0)?, test)).contains("empty"));
    assert!(half.backward(&x, &x, test, InputGrad::Skip)?.is_none());
    for input in [InputGrad::Plain, InputGrad::ThroughRelu] {
        assert!(refusal(half.backward(&x, &x.t()?, test, input)).contains("[2, 3]"));
    }
    Ok(())
}
