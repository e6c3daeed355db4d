//! What crosses between towers: channels joined, taken and added, against candle's own means.

mod common;

use alexnet_kernels::{
    KeepMemory, Route, add, channels_last, connect, join_channels, recycle, send, take_channels,
};
use candle_core::{DType, Device, Result, Tensor};
use common::{Array, cases, refusal};
use proptest::prelude::*;

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().and_then(|x| x.to_vec1()).expect("a dense tensor of floats")
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn parts_are_the_whole_again(
        (b, area) in (1..4usize, prop_oneof![Just(None), (1..9usize, 1..9usize).prop_map(Some)]),
        widths in prop::collection::vec(1..40usize, 1..4),
        last in any::<bool>(),
    ) {
        let channels = widths.iter().sum();
        let dims = area.map_or(vec![b, channels], |(h, w)| vec![b, channels, h, w]);
        let mut whole = Array::random(&dims, 5).tensor(&Device::Cpu).unwrap();
        if last && whole.rank() == 4 {
            whole = channels_last(&whole).unwrap();
        }
        let mut first = 0;
        let mut parts = Vec::new();
        for width in &widths {
            let part = take_channels(&whole, first..first + width).unwrap();
            let want = whole.narrow(1, first, *width).unwrap();
            prop_assert_eq!(part.dims(), want.dims());
            prop_assert_eq!(flat(&part), flat(&want));
            first += width;
            parts.push(part);
        }
        let joined = join_channels(&parts).unwrap();
        prop_assert_eq!(joined.dims(), whole.dims());
        prop_assert_eq!(flat(&joined), flat(&whole));
        let twice = flat(&whole).iter().map(|x| x + x).collect::<Vec<_>>();
        prop_assert_eq!(flat(&add(joined, &whole).unwrap()), twice);
    }
}

/// Memory that is given back serves the next step: nothing that crosses piles up.
#[test]
fn crossings_use_memory_again() -> Result<()> {
    let _keep = KeepMemory::new();
    let x = Array::random(&[2, 6, 3, 3], 5).tensor(&Device::Cpu)?;
    let address = |x: &Tensor| {
        let (storage, _) = x.storage_and_layout();
        match &*storage {
            candle_core::Storage::Cpu(s) => s.as_slice::<f32>().map(|s| s.as_ptr() as usize),
            _ => panic!("not on the processor"),
        }
    };
    let half = take_channels(&x, 0..3)?;
    let first = address(&half)?;
    recycle(half);
    let half = take_channels(&x, 3..6)?;
    assert_eq!(address(&half)?, first);
    let whole = join_channels(&[half.clone(), half])?;
    let first = address(&whole)?;
    recycle(whole);
    assert_eq!(address(&join_channels(&[x.narrow(1, 0, 3)?, x.narrow(1, 3, 3)?])?)?, first);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let x = Tensor::ones((2, 3, 4, 5), DType::F32, &Device::Cpu)?;
    assert!(refusal(join_channels(&[])).contains("nothing to join"));
    assert!(refusal(join_channels(&[x.clone(), x.narrow(2, 0, 3)?])).contains("[2, 3, 4, 5]"));
    assert!(refusal(join_channels(&[x.flatten_all()?])).contains("[120]"));
    assert!(refusal(take_channels(&x, 1..4)).contains("1..4"));
    assert!(refusal(take_channels(&x, 1..1)).contains("1..1"));
    assert!(refusal(add(x.clone(), &x.narrow(0, 0, 1)?)).contains("[2, 3, 4, 5]"));
    assert!(refusal(add(x.to_dtype(DType::F64)?, &x)).contains("F64"));
    Ok(())
}

#[test]
fn on_one_device_nothing_is_copied() -> Result<()> {
    let x = Array::random(&[2, 3], 1).tensor(&Device::Cpu)?;
    assert_eq!(connect(&[Device::Cpu, Device::Cpu])?, Route::Same);
    assert_eq!(flat(&send(&x, &Device::Cpu)?), flat(&x));
    Ok(())
}

/// One card opened twice is two devices with two streams, whose order the transfer keeps.
#[cfg(feature = "cuda")]
#[test]
fn between_two_streams_of_a_card() -> Result<()> {
    let (a, b) = (common::card()?, common::card()?);
    assert_eq!(connect(&[a.clone(), b.clone()])?, Route::Card);
    let want = Array::random(&[64, 96, 27, 27], 1).tensor(&Device::Cpu)?;
    for dtype in [DType::F32, DType::BF16] {
        let want = want.to_dtype(dtype)?;
        let mut x = channels_last(&want.to_device(&a)?)?;
        for _ in 0..20 {
            // Each is made just before it travels, and its memory is free for others just behind.
            x = (send(&x.neg()?, &b)? * 1.0)?;
            x = (send(&x.neg()?, &a)? * 1.0)?;
        }
        assert_eq!(flat(&x.to_dtype(DType::F32)?), flat(&want.to_dtype(DType::F32)?));
    }
    Ok(())
}
