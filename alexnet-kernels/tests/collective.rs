//! What crosses between towers: channels gathered, scattered and added, against candle's own means.

mod common;

use alexnet_kernels::reference::Array;
use alexnet_kernels::{
    Interconnect, add, all_gather, channels_last, copy_to_devices, enable_peer_access, scatter,
};
use candle_core::{DType, Device, Result, Tensor};
use common::{cases, flat, refusal};
use proptest::prelude::*;

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
        let values = |x: &Tensor| flat(x).unwrap();
        let mut first = 0;
        let mut parts = Vec::new();
        for width in &widths {
            let part = scatter(&whole, first..first + width).unwrap();
            let want = whole.narrow(1, first, *width).unwrap();
            prop_assert_eq!(part.dims(), want.dims());
            prop_assert_eq!(values(&part), values(&want));
            first += width;
            parts.push(part);
        }
        let joined = all_gather(&parts).unwrap();
        prop_assert_eq!(joined.dims(), whole.dims());
        prop_assert_eq!(values(&joined), values(&whole));
        let twice = values(&whole).iter().map(|x| x + x).collect::<Vec<_>>();
        prop_assert_eq!(values(&add(joined, &whole).unwrap()), twice);
    }
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let x = Tensor::ones((2, 3, 4, 5), DType::F32, &Device::Cpu)?;
    assert!(refusal(all_gather(&[])).contains("nothing to join"));
    assert!(refusal(all_gather(&[x.clone(), x.narrow(2, 0, 3)?])).contains("[2, 3, 4, 5]"));
    assert!(refusal(all_gather(&[x.flatten_all()?])).contains("[120]"));
    assert!(refusal(scatter(&x, 1..4)).contains("1..4"));
    assert!(refusal(scatter(&x, 1..1)).contains("1..1"));
    assert!(refusal(add(x.clone(), &x.narrow(0, 0, 1)?)).contains("[2, 3, 4, 5]"));
    assert!(refusal(add(x.to_dtype(DType::F64)?, &x)).contains("F64"));
    Ok(())
}

fn copy(x: &Tensor, to: &Device) -> Result<Tensor> {
    Ok(copy_to_devices(&[(x, to)])?.remove(0))
}

#[test]
fn on_one_device_nothing_is_copied() -> Result<()> {
    let x = Array::random(&[2, 3], 1).tensor(&Device::Cpu)?;
    assert_eq!(enable_peer_access(&[Device::Cpu, Device::Cpu])?, Interconnect::Same);
    assert_eq!(flat(&copy(&x, &Device::Cpu)?)?, flat(&x)?);
    Ok(())
}

/// One GPU opened twice is two devices with two streams, whose order the transfer keeps.
#[cfg(feature = "cuda")]
#[test]
fn between_two_streams_of_a_gpu() -> Result<()> {
    let (a, b) = (common::gpu()?, common::gpu()?);
    assert_eq!(enable_peer_access(&[a.clone(), b.clone()])?, Interconnect::Gpu);
    let want = Array::random(&[64, 96, 27, 27], 1).tensor(&Device::Cpu)?;
    for dtype in [DType::F32, DType::BF16] {
        let want = want.to_dtype(dtype)?;
        let mut x = channels_last(&want.to_device(&a)?)?;
        for _ in 0..20 {
            // Each is made just before it travels, and others may have its memory just after.
            x = (copy(&x.neg()?, &b)? * 1.0)?;
            x = (copy(&x.neg()?, &a)? * 1.0)?;
        }
        assert_eq!(flat(&x.to_dtype(DType::F32)?)?, flat(&want.to_dtype(DType::F32)?)?);
    }
    Ok(())
}
