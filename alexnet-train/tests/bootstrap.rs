//! The paired bootstrap: exact where nothing varies, and right about as often as it says.

use alexnet_kernels::normals;
use alexnet_train::paired_bootstrap;
use proptest::prelude::*;

proptest! {
    /// A difference that is the same everywhere is known exactly.
    #[test]
    fn a_constant_difference_is_certain(
        base in prop::collection::vec(prop::collection::vec(0.0..1.0f64, 20), 1..5),
        shift in -4i32..4,
    ) {
        let shift = f64::from(shift) / 4.0;
        let arm: Vec<Vec<f64>> =
            base.iter().map(|seed| seed.iter().map(|v| v + shift).collect()).collect();
        let d = paired_bootstrap(&base, &arm);
        prop_assert!([d.mean, d.low, d.high].iter().all(|v| (v - shift).abs() < 1e-9), "{d:?}");
    }

    /// The mean is that of all pairs, the interval goes around it, and the other way round all is
    /// mirrored.
    #[test]
    fn the_interval_goes_around_the_mean(
        pairs in prop::collection::vec(prop::collection::vec((0u8..2, 0u8..2), 30), 1..5),
    ) {
        let of = |side: fn(&(u8, u8)) -> u8| -> Vec<Vec<f64>> {
            pairs.iter().map(|seed| seed.iter().map(|p| f64::from(side(p))).collect()).collect()
        };
        let (base, arm) = (of(|p| p.0), of(|p| p.1));
        let d = paired_bootstrap(&base, &arm);
        let all = pairs.iter().flatten();
        let mean = all.map(|p| f64::from(p.1) - f64::from(p.0)).sum::<f64>()
            / pairs.iter().flatten().count() as f64;
        prop_assert!((d.mean - mean).abs() < 1e-12);
        prop_assert!(d.low <= d.mean + 1e-12 && d.mean <= d.high + 1e-12, "{d:?}");
        let mirrored = paired_bootstrap(&arm, &base);
        prop_assert!((mirrored.mean + d.mean).abs() < 1e-12);
    }
}

/// Of 100 experiments with ten seeds and a known difference the interval has it in about 95. A
/// seed's effect is as large as an image's mean over the images, so that both have to be drawn.
#[test]
fn ninety_five_of_a_hundred_intervals_have_the_difference() {
    let (seeds, images) = (10, 40);
    let held = (0..100u64).filter(|experiment| {
        let of_seed = normals(*experiment, 1, 0.16, seeds);
        let noise = normals(*experiment, 2, 1.0, seeds * images);
        let base = vec![vec![0.0; images]; seeds];
        let arm: Vec<Vec<f64>> = noise
            .chunks(images)
            .zip(&of_seed)
            .map(|(noise, seed)| noise.iter().map(|n| f64::from(0.3 + n + seed)).collect())
            .collect();
        let d = paired_bootstrap(&base, &arm);
        d.low <= 0.3 && 0.3 <= d.high
    });
    let held = held.count();
    assert!((86..=100).contains(&held), "{held} of 100");
}
