//! Resizing and cropping agree with their definition, which is computed here slowly in f64.

mod common;

use alexnet_data::{Decoder, Exif};
use common::png;
use image::ExtendedColorType::Rgb8;

/// The weight of a pixel at a distance `x` from the centre of a pixel of the result: in pixels of
/// the result when the image shrinks, else in pixels of the source. A source pixel on the edge
/// between two pixels of the result belongs to the first.
fn weight(x: f64, shrinks: bool) -> f64 {
    match (shrinks, x.abs()) {
        (true, _) => f64::from(u8::from(x > -0.5 && x <= 0.5)),
        (false, x @ ..1.0) => (1.5 * x - 2.5) * x * x + 1.0,
        (false, x @ ..2.0) => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        (false, _) => 0.0,
    }
}

/// A value of the result along one axis: the weighted mean of `pixels` around `centre`.
fn mean(pixels: &[f64], centre: f64, shrinks: bool, scale: f64) -> f64 {
    let reach = if shrinks { scale } else { 1.0 };
    let weights = (0..pixels.len()).map(|i| weight((i as f64 + 0.5 - centre) / reach, shrinks));
    let (sum, all) = weights.zip(pixels).fold((0.0, 0.0), |(s, a), (w, p)| (s + w * p, a + w));
    (sum / all).round().clamp(0.0, 255.0)
}

/// Resizes as defined: along the columns with rounding, then along the rows, then crops.
fn slow(data: &[u8], height: usize, width: usize, size: usize) -> Vec<u8> {
    let short = height.min(width);
    let side = |side: usize| {
        let scaled = ((side * size) as f64 / short as f64).round();
        let (offset, scale) = (((scaled - size as f64) / 2.0).floor(), side as f64 / scaled);
        move |i: usize| (offset + i as f64 + 0.5) * scale
    };
    let (rows, columns) = (side(height), side(width));
    let (step, shrinks) = (rows(1) - rows(0), short > size);
    let mut out = vec![0; size * size * 3];
    for channel in 0..3 {
        let value = |y: usize, x: usize| f64::from(data[(y * width + x) * 3 + channel]);
        for y in 0..size {
            let row: Vec<f64> = (0..width)
                .map(|x| {
                    let column: Vec<f64> = (0..height).map(|y| value(y, x)).collect();
                    mean(&column, rows(y), shrinks, step)
                })
                .collect();
            for x in 0..size {
                let step = columns(1) - columns(0);
                out[(y * size + x) * 3 + channel] = mean(&row, columns(x), shrinks, step) as u8;
            }
        }
    }
    out
}

fn compare(decoder: &mut Decoder, size: usize, height: usize, width: usize) {
    let data: Vec<u8> = (0..height * width * 3)
        .map(|i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(9) as u8)
        .collect();
    let want = slow(&data, height, width, size);
    let got = decoder.decode(&png(&data, height, width, Rgb8)).unwrap().data;
    let off = got.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).max();
    // One for a value between the passes that was rounded the other way, and one for the result.
    assert!(off <= Some(2), "{height} × {width} to {size}: off by {off:?}");
}

/// Whether the edge between two pixels of a shrunk image goes through the centre of a source pixel,
/// which may then belong to either.
fn undecided(side: usize, short: usize, size: usize) -> bool {
    let scaled = ((side * size) as f64 / short as f64).round() as usize;
    short > size && (1..scaled).any(|i| i * side % scaled * 2 == scaled)
}

/// Images that grow, shrink and keep their size, upright and wide, along both axes and along one.
#[test]
fn as_defined() {
    let sides = [(1, 9), (14, 26), (16, 31), (17, 40), (20, 33), (26, 27), (40, 40)];
    let mut compared = 0;
    for (short, long) in sides {
        for size in [2, 5, 16, 20] {
            if !undecided(short, short, size) && !undecided(long, short, size) {
                compared += 1;
                let mut decoder = Decoder::new(size, Exif::Ignore);
                compare(&mut decoder, size, short, long);
                compare(&mut decoder, size, long, short);
            }
        }
    }
    assert!(compared > 15, "{compared}");
}

/// Crops whose first or last pixel has its centre exactly on that of a source pixel.
#[test]
fn pixels_upon_pixels() {
    let mut found = 0;
    for size in [16, 31] {
        let mut decoder = Decoder::new(size, Exif::Ignore);
        for short in 2..size {
            for long in short + 1..3 * short {
                let scaled = ((long * size) as f64 / short as f64).round() as usize;
                let offset = (scaled - size) / 2;
                let upon = |i: usize| {
                    let place = (2 * (offset + i) + 1) * long;
                    place.is_multiple_of(scaled) && place / scaled % 2 == 1
                };
                if upon(0) || upon(size - 1) {
                    found += 1;
                    compare(&mut decoder, size, short, long);
                    compare(&mut decoder, size, long, short);
                }
            }
        }
    }
    assert!(found > 10, "{found}");
}
