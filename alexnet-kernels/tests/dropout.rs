//! Dropout against the mask its documentation defines, one element at a time.

mod common;

use alexnet_kernels::{
    Dropout, DropoutKey, DropoutMode, DropoutScale, Part, channels_last, philox4x32, uniform,
};
use candle_core::{DType, Device, Result, Tensor};
use common::{Array, assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

const KEY: DropoutKey = DropoutKey { seed: 0x1234_5678_9abc_def0, step: 1 << 40 | 7, layer: 6 };

fn kept(keep: f32, key: DropoutKey, element: usize) -> bool {
    let counter = [(element / 4) as u32, key.layer, key.step as u32, (key.step >> 32) as u32];
    let words = philox4x32([key.seed as u32, (key.seed >> 32) as u32], counter);
    uniform(words[element % 4]) < keep
}

fn oracle(dropout: &Dropout, mode: DropoutMode, x: &Array) -> Array {
    let keep = f64::from(dropout.keep);
    let mut y = x.clone();
    for (e, y) in y.values.iter_mut().enumerate() {
        *y *= match (mode, dropout.scale) {
            (DropoutMode::Train(key), _) if !kept(dropout.keep, key, e) => 0.0,
            (DropoutMode::Train(_), DropoutScale::AtTest) => 1.0,
            (DropoutMode::Train(_), DropoutScale::AtTraining) => 1.0 / keep,
            (DropoutMode::Test, DropoutScale::AtTest) => keep,
            (DropoutMode::Test, DropoutScale::AtTraining) => 1.0,
        };
    }
    y
}

/// Both scales, both modes.
fn matches(device: &Device, keep: f32, key: DropoutKey, shape: &[usize]) -> Result<()> {
    for scale in [DropoutScale::AtTest, DropoutScale::AtTraining] {
        for mode in [DropoutMode::Train(key), DropoutMode::Test] {
            let dropout = Dropout { keep, scale };
            check(
                device,
                &[Array::random(shape, 1)],
                &|inputs| oracle(&dropout, mode, &inputs[0]),
                &|inputs| dropout.forward(&inputs[0], mode),
                &|_, _, dy| Ok(vec![dropout.backward(dy, mode)?]),
            )?;
        }
    }
    Ok(())
}

fn matches_oracle(device: &Device) -> Result<()> {
    matches(device, 0.5, KEY, &[3, 7])?;
    matches(device, 0.3, KEY, &[2, 3, 3, 5])?;
    matches(device, 1.0, KEY, &[1, 1])
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
    #![proptest_config(cases(12))]

    #[test]
    fn matches_oracle_on_random_shapes(
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
    let mask = |key| -> Result<Vec<f32>> {
        let dropout = Dropout { keep: 0.4, scale: DropoutScale::AtTest };
        dropout.forward(&x, DropoutMode::Train(key))?.flatten_all()?.to_vec1()
    };
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
    let dropout = Dropout { keep: 0.5, scale: DropoutScale::AtTest };
    let values = |x: &Tensor| -> Result<Vec<f32>> {
        dropout.forward(x, DropoutMode::Train(KEY))?.flatten_all()?.to_vec1()
    };
    assert_eq!(values(&x)?, values(&channels_last(&x)?)?);
    Ok(())
}

proptest! {
    #![proptest_config(cases(24))]

    /// Parts of a layer, dropped apart, are what the whole layer drops, whatever lies before and behind.
    #[test]
    fn parts_drop_what_the_whole_drops(
        (b, c, pixels) in (1..4usize, 2..9usize, prop_oneof![Just(None), (1..4usize, 1..4usize).prop_map(Some)]),
        cut in any::<prop::sample::Index>(),
        (keep, seed) in (0.1..0.9f32, any::<u64>()),
    ) {
        let (cut, area) = (1 + cut.index(c - 1), pixels.map_or(1, |(h, w)| h * w));
        let dims = pixels.map_or(vec![b, c], |(h, w)| vec![b, c, h, w]);
        let x = Array::random(&dims, 3).tensor(&Device::Cpu).unwrap();
        let dropout = Dropout { keep, scale: DropoutScale::AtTraining };
        let mode = DropoutMode::Train(DropoutKey { seed, ..KEY });
        let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let whole = dropout.forward(&x, mode).unwrap();
        for (first, count) in [(0, cut), (cut, c - cut)] {
            let part = Part { first: first * area, whole: c * area };
            let got = dropout.forward_part(&x.narrow(1, first, count).unwrap(), mode, part).unwrap();
            prop_assert_eq!(flat(&got), flat(&whole.narrow(1, first, count).unwrap()));
        }
    }
}

#[test]
fn parts_that_leave_the_layer_are_refused() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    let half = Dropout { keep: 0.5, scale: DropoutScale::AtTest };
    let part = |first, whole| half.forward_part(&x, DropoutMode::Test, Part { first, whole });
    assert!(part(2, 5).is_ok());
    assert!(refusal(part(3, 5)).contains("3 numbers behind 3 leave an image of 5"));
    assert!(refusal(part(usize::MAX, 5)).contains("leave an image of 5"));
    assert!(refusal(part(0, usize::MAX)).contains("the counter ends"));
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let x = Array::random(&[70, 1001], 1).tensor(&Device::Cpu)?;
    let dropout = Dropout { keep: 0.5, scale: DropoutScale::AtTraining };
    assert_same_on_all_thread_counts(|| Ok(vec![dropout.forward(&x, DropoutMode::Train(KEY))?]))
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
    let scale = DropoutScale::AtTest;
    for keep in [0.0, -0.5, 1.5, f32::NAN] {
        let message = refusal(Dropout { keep, scale }.forward(&x, DropoutMode::Test));
        assert!(message.contains(&keep.to_string()), "{message}");
    }
    let half = Dropout { keep: 0.5, scale };
    assert!(refusal(half.forward(&x.to_dtype(DType::F64)?, DropoutMode::Test)).contains("F64"));
    assert!(refusal(half.forward(&x.narrow(0, 0, 0)?, DropoutMode::Test)).contains("empty"));
    Ok(())
}
