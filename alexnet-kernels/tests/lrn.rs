//! LRN across channels against its reference; three channels by hand are the example of [`Lrn`].

#[macro_use]
mod common;

use alexnet_kernels::reference::{self, Array};
use alexnet_kernels::{InputGrad, Lrn};
use candle_core::{DType, Device, Module, Result, Tensor};
use common::{assert_same_on_all_thread_counts, cases, check, flat, refusal};
use proptest::prelude::*;

/// Strong enough (α/n = 1) that a wrong term shows.
const STRONG: Lrn = Lrn::new(3).alpha(3.0).k(1.0);

fn backward(lrn: Lrn, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
    Ok(lrn.backward(x, dy, InputGrad::Plain)?.expect("it was asked for"))
}

fn matches(device: &Device, lrn: Lrn, shape: [usize; 4]) -> Result<()> {
    let x = &Array::random(&shape, 1);
    check(
        device,
        std::slice::from_ref(x),
        &reference::lrn(&lrn, x),
        |dy| vec![reference::lrn_gradient(&lrn, x, dy)],
        |inputs| lrn.forward(&inputs[0]),
        |inputs, _, dy| Ok(vec![backward(lrn, &inputs[0], dy)?]),
    )
}

/// Several images, fewer channels than the window, one channel, towers, another exponent, α not
/// divided by n, windows of one and of more channels than have a loop of their own.
fn matches_reference(device: &Device) -> Result<()> {
    for shape in [[2, 7, 3, 5], [1, 2, 4, 4], [1, 1, 1, 1]] {
        matches(device, STRONG, shape)?;
        matches(device, Lrn { n: 5, ..STRONG }, shape)?;
    }
    let shape = [2, 12, 2, 3];
    matches(device, Lrn { n: 5, towers: 2, ..STRONG }, shape)?;
    matches(device, Lrn { n: 5, towers: 6, ..STRONG }, shape)?;
    matches(device, STRONG.beta(0.6), shape)?;
    matches(device, STRONG.alpha(0.7).alpha_over_n(false), shape)?;
    matches(device, Lrn { n: 1, ..STRONG }, shape)?;
    matches(device, Lrn { n: 9, ..STRONG }, shape)?;
    matches(device, Lrn { n: 1_000_001, alpha: 1e6, ..STRONG }, shape)
}

on_every_device!(matches_reference);

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn matches_reference_on_random_shapes(
        (batch, channels, height, width) in (1..3usize, 1..7usize, 1..4usize, 1..5usize),
        (radius, towers, alpha_over_n) in (0..5usize, 1..4usize, any::<bool>()),
        (alpha, beta, k) in (0.5..4f32, prop_oneof![Just(0.75f32), 0.2..1.5f32], 0.5..2f32),
    ) {
        let lrn = Lrn { n: 2 * radius + 1, alpha, beta, k, towers, alpha_over_n };
        matches(&Device::Cpu, lrn, [batch, towers * channels, height, width]).unwrap();
    }
}

#[test]
fn constants_are_set_one_by_one() {
    let lrn = Lrn::new(3).alpha(2.0).beta(0.5).k(1.0).towers(4).alpha_over_n(false);
    let want = Lrn { n: 3, alpha: 2.0, beta: 0.5, k: 1.0, towers: 4, alpha_over_n: false };
    assert_eq!(lrn, want);
    assert_eq!(Lrn::new(5), Lrn::ALEXNET);
}

/// With β = ¾ the power is no `powf`: all magnitudes, and every fraction within two powers of two,
/// after which the first guess of Newton's method repeats. With n = 1 and k = 0, `s` is `x²`.
#[test]
fn powers_are_good_to_a_few_units_in_the_last_place() -> Result<()> {
    let mut x: Vec<f32> =
        (0..1 << 18).map(|i| (1.0 + i as f32 * (15.0 / 262_144.0)).sqrt()).collect();
    x.extend((-29..30).map(|power| (1.7 * 10f32.powi(power)).sqrt()));
    let lrn = Lrn { n: 1, alpha: 1.0, k: 0.0, ..Lrn::ALEXNET };
    let y = lrn.forward(&Tensor::from_slice(&x, (1, x.len(), 1, 1), &Device::Cpu)?)?;
    let y = y.flatten_all()?.to_vec1::<f32>()?;
    for (x, y) in x.into_iter().zip(y) {
        let want = f64::from(x) * f64::from(x * x).powf(-0.75);
        let error = (f64::from(y) / want - 1.0).abs();
        assert!(error < 9.0 * f64::from(f32::EPSILON), "{x}: {error}");
    }
    Ok(())
}

/// Newton's method rounds otherwise than two roots and a division, which take over beyond 10⁻³⁰
/// and 10³⁰; every published loss has its bits.
#[test]
fn ordinary_scales_take_newtons_method() -> Result<()> {
    let x = Tensor::ones((1, 1, 1, 1), DType::F32, &Device::Cpu)?;
    let lrn = |k| Lrn { n: 1, alpha: 0.0, k, ..Lrn::ALEXNET };
    for (k, bits) in [(3.0, 0x3ee0_9c26), (5.0, 0x3e99_1fad), (1e-10, 0x4bf1_433e)] {
        let both = [lrn(k).forward(&x)?, backward(lrn(k), &x, &x)?];
        assert_eq!(both.map(|y| flat(&y).unwrap()[0].to_bits()), [bits; 2], "k = {k}");
    }
    // The gradient's 1/s is of the same root.
    let dx = backward(Lrn { alpha: 1.0, ..lrn(3.0) }, &x, &x)?;
    assert_eq!(flat(&dx)?[0].to_bits(), 0x3e62_4630);
    for (k, bits) in [(1e-30, 0x64d6_48c6), (1e30, 0x1a18_eb1b)] {
        assert_eq!(flat(&lrn(k).forward(&x)?)?[0].to_bits(), bits, "k = {k}");
    }
    Ok(())
}

/// Beside a scale that overflows, is 0 or is no number, Newton's method would not converge.
#[test]
fn scales_beyond_the_ordinary_are_what_roots_make_of_them() -> Result<()> {
    let x = Tensor::new(&[1e20f32, 4.0, f32::NAN], &Device::Cpu)?.reshape((1, 3, 1, 1))?;
    let (lrn, dy) = (Lrn { n: 1, alpha: 1.0, k: 0.0, ..Lrn::ALEXNET }, x.ones_like()?);
    let (y, dx) = (flat(&lrn.forward(&x)?)?, flat(&backward(lrn, &x, &dy)?)?);
    assert_eq!((y[0], y[1], y[2].is_nan()), (0.0, 0.5, true));
    assert_eq!((dx[0], dx[1], dx[2].is_nan()), (0.0, -0.0625, true));
    let zero = Lrn { alpha: 0.0, ..lrn }.forward(&dy)?;
    assert_eq!(flat(&zero)?, [f32::INFINITY; 3]);
    Ok(())
}

/// A diverged channel shows in its neighbours, and in nothing beyond its tower or its pixel.
#[test]
fn nan_stays_in_its_tower() -> Result<()> {
    let lrn = STRONG.towers(2);
    let mut x = Array::random(&[1, 8, 1, 2], 1);
    let place = x.at([0, 3, 0, 0]);
    x.values[place] = f64::NAN;
    let x = x.tensor(&Device::Cpu)?;
    for got in [lrn.forward(&x)?, backward(lrn, &x, &x.ones_like()?)?] {
        let got = flat(&got)?;
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
    assert!(STRONG.backward(&x, &dy, InputGrad::Skip)?.is_none());
    assert_same_on_all_thread_counts(|| Ok(vec![STRONG.forward(&x)?, backward(STRONG, &x, &dy)?]))
}

#[test]
fn refuses_what_has_no_meaning() -> Result<()> {
    let x = Tensor::ones((1, 4, 2, 2), DType::F32, &Device::Cpu)?;
    assert!(refusal(Lrn { n: 4, ..STRONG }.forward(&x)).contains("odd, got 4"));
    assert!(refusal(Lrn { n: 0, ..STRONG }.forward(&x)).contains("odd, got 0"));
    assert!(refusal(STRONG.towers(3).forward(&x)).contains("3 towers"));
    assert!(refusal(STRONG.towers(0).forward(&x)).contains("0 towers"));
    assert!(refusal(STRONG.forward(&x.flatten_all()?)).contains("4 dimensions"));
    assert!(refusal(STRONG.forward(&x.to_dtype(DType::F16)?)).contains("F16"));
    assert!(refusal(STRONG.forward(&x.narrow(0, 0, 0)?)).contains("empty"));
    assert!(refusal(backward(STRONG, &x, &x.narrow(1, 0, 2)?)).contains("[1, 4, 2, 2]"));
    Ok(())
}
