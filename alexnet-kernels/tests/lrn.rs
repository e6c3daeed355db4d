//! LRN across channels against sums over f64.

mod common;

use alexnet_kernels::Lrn;
use candle_core::{DType, Device, Result, Tensor};
use common::{Array, assert_same_on_all_thread_counts, cases, check, refusal};
use proptest::prelude::*;

/// Strong enough (α/n = 1) that a wrong term shows.
const STRONG: Lrn = Lrn { n: 3, alpha: 3.0, beta: 0.75, k: 1.0, towers: 1, alpha_over_n: true };

fn oracle(lrn: &Lrn, x: &Array) -> Array {
    let [_, channels, _, _] = x.dims4();
    let a = f64::from(lrn.alpha) / if lrn.alpha_over_n { lrn.n as f64 } else { 1.0 };
    let tower = channels / lrn.towers;
    Array::build4(x.dims4(), |[b, c, h, w]| {
        let window = (0..channels).filter(|j| j / tower == c / tower && j.abs_diff(c) <= lrn.n / 2);
        let energy: f64 = window.map(|j| x.get([b, j, h, w]).powi(2)).sum();
        let s = f64::from(lrn.k) + a * energy;
        x.get([b, c, h, w]) * s.powf(-f64::from(lrn.beta))
    })
}

fn matches(device: &Device, lrn: Lrn, shape: [usize; 4]) -> Result<()> {
    check(
        device,
        &[Array::random(&shape, 1)],
        &|inputs| oracle(&lrn, &inputs[0]),
        &|inputs| lrn.forward(&inputs[0]),
        &|inputs, _, dy| Ok(vec![lrn.backward(&inputs[0], dy)?]),
    )
}

/// Several images, fewer channels than the window, one channel, towers, another exponent, α not
/// divided by n, windows of one and of more channels than have a loop of their own.
fn matches_oracle(device: &Device) -> Result<()> {
    for shape in [[2, 7, 3, 5], [1, 2, 4, 4], [1, 1, 1, 1]] {
        matches(device, STRONG, shape)?;
        matches(device, Lrn { n: 5, ..STRONG }, shape)?;
    }
    let shape = [2, 12, 2, 3];
    matches(device, Lrn { n: 5, towers: 2, ..STRONG }, shape)?;
    matches(device, Lrn { n: 5, towers: 6, ..STRONG }, shape)?;
    matches(device, Lrn { beta: 0.6, ..STRONG }, shape)?;
    matches(device, Lrn { alpha: 0.7, alpha_over_n: false, ..STRONG }, shape)?;
    matches(device, Lrn { n: 1, ..STRONG }, shape)?;
    matches(device, Lrn { n: 9, ..STRONG }, shape)?;
    matches(device, Lrn { n: 1_000_001, alpha: 1e6, ..STRONG }, shape)
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
    #![proptest_config(cases(32))]

    #[test]
    fn matches_oracle_on_random_shapes(
        (batch, channels, height, width) in (1..3usize, 1..7usize, 1..4usize, 1..5usize),
        (radius, towers, alpha_over_n) in (0..5usize, 1..4usize, any::<bool>()),
        (alpha, beta, k) in (0.5..4f32, prop_oneof![Just(0.75f32), 0.2..1.5f32], 0.5..2f32),
    ) {
        let lrn = Lrn { n: 2 * radius + 1, alpha, beta, k, towers, alpha_over_n };
        matches(&Device::Cpu, lrn, [batch, towers * channels, height, width]).unwrap();
    }
}

/// By hand: s = (1+1+4, 1+1+4+9, 1+4+9) and β = 1.
#[test]
fn three_channels_by_hand() -> Result<()> {
    let x = Tensor::new(&[1f32, 2.0, 3.0], &Device::Cpu)?.reshape((1, 3, 1, 1))?;
    let y = Lrn { beta: 1.0, ..STRONG }.forward(&x)?.flatten_all()?.to_vec1::<f32>()?;
    for (y, want) in y.iter().zip([1.0 / 6.0, 2.0 / 15.0, 3.0 / 14.0]) {
        assert!((y - want).abs() < 1e-6, "{y}, want {want}");
    }
    Ok(())
}

/// A diverged channel shows in its neighbours, and in nothing beyond its tower or its pixel.
#[test]
fn nan_stays_in_its_tower() -> Result<()> {
    let lrn = Lrn { towers: 2, ..STRONG };
    let mut x = Array::random(&[1, 8, 1, 2], 1);
    let place = x.at([0, 3, 0, 0]);
    x.values[place] = f64::NAN;
    let x = x.tensor(&Device::Cpu)?;
    for got in [lrn.forward(&x)?, lrn.backward(&x, &x.ones_like()?)?] {
        let got: Vec<f32> = got.flatten_all()?.to_vec1()?;
        let finite: Vec<bool> = got.iter().map(|x| x.is_finite()).collect();
        assert!(!finite[place]);
        assert!(finite[8..].iter().all(|&finite| finite), "the other tower: {got:?}");
        assert!((0..8).all(|c| finite[2 * c + 1]), "the other pixel: {got:?}");
    }
    Ok(())
}

#[test]
fn same_bits_on_all_thread_counts() -> Result<()> {
    let x = Array::random(&[7, 24, 5, 9], 1).tensor(&Device::Cpu)?;
    let dy = Array::random(&[7, 24, 5, 9], 2).tensor(&Device::Cpu)?;
    assert_same_on_all_thread_counts(|| Ok(vec![STRONG.forward(&x)?, STRONG.backward(&x, &dy)?]))
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((1, 4, 2, 2), DType::F32, &Device::Cpu)?;
    assert!(refusal(Lrn { n: 4, ..STRONG }.forward(&x)).contains("odd, got 4"));
    assert!(refusal(Lrn { n: 0, ..STRONG }.forward(&x)).contains("odd, got 0"));
    assert!(refusal(Lrn { towers: 3, ..STRONG }.forward(&x)).contains("3 towers"));
    assert!(refusal(Lrn { towers: 0, ..STRONG }.forward(&x)).contains("0 towers"));
    assert!(refusal(STRONG.forward(&x.flatten_all()?)).contains("4 dimensions"));
    assert!(refusal(STRONG.forward(&x.to_dtype(DType::F16)?)).contains("F16"));
    assert!(refusal(STRONG.forward(&x.narrow(0, 0, 0)?)).contains("empty"));
    assert!(refusal(STRONG.backward(&x, &x.narrow(1, 0, 2)?)).contains("[1, 4, 2, 2]"));
    Ok(())
}
