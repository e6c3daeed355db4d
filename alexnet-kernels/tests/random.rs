//! The generator against its published answers, and the normals against what normal means.

use alexnet_kernels::{normals, philox4x32, uniform};

/// The known-answer vectors that Random123 publishes for philox4x32, 10 rounds.
#[test]
fn known_answers() {
    let cases = [
        ([0; 2], [0; 4], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 2], [u32::MAX; 4], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0xa409_3822, 0x299f_31d0],
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (key, counter, want) in cases {
        assert_eq!(philox4x32(key, counter), want);
    }
}

#[test]
fn uniform_covers_zero_to_below_one() {
    assert_eq!(uniform(0), 0.0);
    assert_eq!(uniform(u32::MAX), 1.0 - f32::EPSILON / 2.0);
    assert_eq!(uniform(1 << 31), 0.5);
}

/// Moments within five standard errors, and a Kolmogorov–Smirnov distance that a normal sample
/// exceeds once in ten thousand.
#[test]
fn normals_are_normal() {
    let n = 200_000;
    let values = normals(1, 2, 0.5, n);
    let moment = |power: i32| {
        values.iter().map(|&x| (f64::from(x) / 0.5).powi(power)).sum::<f64>() / n as f64
    };
    let root = (n as f64).sqrt();
    assert!(moment(1).abs() < 5.0 / root);
    assert!((moment(2) - 1.0).abs() < 5.0 * 2f64.sqrt() / root);
    assert!(moment(3).abs() < 5.0 * 15f64.sqrt() / root);
    assert!((moment(4) - 3.0).abs() < 5.0 * 96f64.sqrt() / root);

    let mut sorted: Vec<f64> = values.iter().map(|&x| f64::from(x) / 0.5).collect();
    sorted.sort_by(f64::total_cmp);
    let below = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let distances = sorted.iter().enumerate().map(|(i, &x)| (below(x) - i as f64 / n as f64).abs());
    assert!(distances.fold(0.0, f64::max) * root < 2.23);
}

/// Every element is what `libm`'s functions make of its two words, but for the rounding to f32 of
/// numbers that lie next to a tie.
#[test]
fn normals_are_box_muller() {
    let (seed, stream, n) = ([5, 6], [7, 8], 1 << 22);
    let word64 = |[low, high]: [u32; 2]| u64::from(high) << 32 | u64::from(low);
    let values = normals(word64(seed), word64(stream), 1.0, n);
    let mut differ = 0;
    for (block, got) in values.chunks_exact(4).enumerate() {
        let [a, b, c, d] = philox4x32(seed, [block as u32, u32::MAX, stream[0], stream[1]]);
        let pair = |a: u32, b: u32| {
            let radius = (-2.0 * libm::log((f64::from(a) + 1.0) / 4_294_967_296.0)).sqrt();
            let (sin, cos) = libm::sincos(f64::from(b) / 4_294_967_296.0 * std::f64::consts::TAU);
            [radius * cos, radius * sin]
        };
        for (got, want) in got.iter().zip([pair(a, b), pair(c, d)].as_flattened()) {
            assert!((f64::from(*got) - want).abs() <= 1e-7 * want.abs() + 1e-14, "{got} {want}");
            differ += usize::from(*got != *want as f32);
        }
    }
    // Errors of 10⁻¹⁵ move 10⁻¹⁵ / 2⁻²⁵ of the numbers across a tie.
    assert!(differ < 4, "{differ}");
}

/// Element e is the same whatever n is, and the same in every build on every machine.
#[test]
fn normals_are_a_function_of_seed_stream_and_element() {
    let long = normals(7, 8, 1.0, 10_001);
    assert_eq!(normals(7, 8, 1.0, 5)[..], long[..5]);
    assert_ne!(normals(8, 8, 1.0, 5)[..], long[..5]);
    assert_ne!(normals(7, 9, 1.0, 5)[..], long[..5]);
    let bits: Vec<u32> = normals(0, 0, 1.0, 4).into_iter().map(f32::to_bits).collect();
    assert_eq!(bits, [0x3e85_6b3d, 0x3dce_5482, 0x3dc8_971a, 0xbf85_d02b]); // checked in Python
    assert!(normals(0, 0, 1.0, 0).is_empty());
}
