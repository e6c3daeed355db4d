//! JPEGs of at least four times the size, which are scaled while they are decoded, are close to
//! fully decoded and resized ones.

mod common;

use alexnet_data::decode;
use common::{jpeg, picture, png};
use image::ExtendedColorType::Rgb8;

/// The mean of the differences, the mean of their absolute values, and the largest.
fn differences(a: &[u8], b: &[u8]) -> (f64, f64, i32) {
    assert_eq!(a.len(), b.len());
    let all: Vec<_> = a.iter().zip(b).map(|(&a, &b)| i32::from(a) - i32::from(b)).collect();
    let mean =
        |f: fn(i32) -> i32| all.iter().map(|&d| f64::from(f(d))).sum::<f64>() / all.len() as f64;
    (mean(|d| d), mean(i32::abs), all.iter().map(|d| d.abs()).max().unwrap())
}

/// Gradients, a disc with a sharp edge and a little texture, at any size, as in photographs.
fn scene(height: usize, width: usize) -> Vec<u8> {
    let short = height.min(width) as f64;
    let value = |y: usize, x: usize, c: usize| {
        let (v, u) = (y as f64 / short, x as f64 / short);
        let inside = (v - 0.4).powi(2) + (u - 0.6).powi(2) < 0.07;
        let slope = 40.0 + 90.0 * v + [50.0, 20.0, 70.0][c] * u / (width as f64 / short);
        let texture = 6.0 * (u * 90.0 + v * 40.0).sin();
        (if inside { 220.0 - 40.0 * c as f64 } else { slope } + texture) as u8
    };
    (0..height * width * 3).map(|i| value(i / 3 / width, i / 3 % width, i % 3)).collect()
}

/// The result is close to that of the same image as PNG, which is resized by averaging alone: at a
/// half and a quarter, with sides that no block divides, and crops that begin inside a block.
#[test]
fn close_to_averaging() {
    for (height, width) in [(256, 256), (257, 391), (131, 267), (523, 300), (300, 1001)] {
        let pixels = scene(height, width);
        let (bytes, lossless) = (jpeg(&pixels, height, width), png(&pixels, height, width, Rgb8));
        for size in [8, 13, 31, 32, 64] {
            let got = decode(&bytes, size).unwrap();
            assert_eq!((got.height, got.width, got.damage), (size, size, None));
            let want = decode(&lossless, size).unwrap();
            let (bias, mean, most) = differences(&got.data, &want.data);
            let what = format!("{height} × {width} to {size}: {bias:.2} {mean:.2} {most}");
            assert!(bias.abs() < 1.0 && mean < 2.0 && most < 60, "{what}");
        }
    }
}

/// A flipped bit that full decoding notices is noticed by scaled decoding too, except in headers
/// that only one of the decoders reads.
#[test]
fn damage_is_seen() {
    let good = jpeg(&picture(80, 90, 1), 80, 90);
    let (mut both, mut missed) = (0, 0);
    for i in 0..good.len() {
        for bit in [0, 3, 7] {
            let mut bytes = good.clone();
            bytes[i] ^= 1 << bit;
            let whole = |size| decode(&bytes, size).is_ok_and(|pixels| pixels.damage.is_none());
            match (whole(80), whole(20)) {
                (false, false) => both += 1,
                (false, true) => missed += 1,
                _ => {}
            }
        }
    }
    assert!(both > 500 && missed <= both / 100, "{both} seen by both, {missed} missed");
}
