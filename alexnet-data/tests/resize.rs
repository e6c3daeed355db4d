//! Resizing and cropping agree with their definition, which is computed here slowly in f64.

mod common;

use alexnet_data::{Crop, Decoder, Exif, Resample};
use common::png;
use image::ExtendedColorType::Rgb8;

/// Cubic interpolation with the slope `a` one pixel from the centre (Keys 1981).
fn cubic(a: f64, x: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0,
        x if x < 2.0 => a * (x.powi(3) - 5.0 * x.powi(2) + 8.0 * x - 4.0),
        _ => 0.0,
    }
}

/// A sinc in the window of its three lobes.
fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { x.sin() / x };
    let x = x * std::f64::consts::PI;
    if x.abs() < 3.0 * std::f64::consts::PI { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// The weight of the source pixel `i` for a pixel of the result that has its centre at `centre` and
/// is `scale` source pixels long.
fn weight(resample: Resample, i: usize, centre: f64, scale: f64) -> f64 {
    let i = i as f64;
    let x = (i + 0.5 - centre) / scale.max(1.0);
    match (resample, scale > 1.0) {
        (Resample::Area, true) => {
            let (start, end) = (centre - scale / 2.0, centre + scale / 2.0);
            (end.min(i + 1.0) - start.max(i)).max(0.0)
        }
        (Resample::Area, false) => cubic(-0.75, x),
        // On the edge between two pixels of the result, it belongs to the first.
        (Resample::Box, true) => f64::from(u8::from(x > -0.5 && x <= 0.5)),
        (Resample::Box, false) | (Resample::Bicubic, _) => cubic(-0.5, x),
        (Resample::Lanczos, _) => lanczos(x),
        (Resample::Bilinear, _) => (1.0 - x.abs()).max(0.0),
        (Resample::Linear, _) => (1.0 - (i + 0.5 - centre).abs()).max(0.0),
    }
}

/// A value of the result along one axis: the weighted mean of `pixels` around `centre`.
fn mean(resample: Resample, pixels: &[f64], centre: f64, scale: f64) -> f64 {
    let weights = (0..pixels.len()).map(|i| weight(resample, i, centre, scale));
    let (sum, all) = weights.zip(pixels).fold((0.0, 0.0), |(s, a), (w, p)| (s + w * p, a + w));
    (sum / all).round().clamp(0.0, 255.0)
}

/// How an image is resized and cropped, and to what.
#[derive(Debug, Clone, Copy)]
struct How {
    resample: Resample,
    crop: Crop,
    size: usize,
}

/// Resizes as defined: along the columns with rounding, then along the rows, then crops.
fn slow(how: How, data: &[u8], height: usize, width: usize) -> Vec<u8> {
    let How { resample, crop, size } = how;
    let short = height.min(width);
    let side = |side: usize| {
        let scaled = match crop {
            Crop::Centre => ((side * size) as f64 / short as f64).round(),
            Crop::Torchvision => (side * size / short) as f64, // whole pixels
            Crop::Whole => size as f64,
        };
        let (room, scale) = (scaled as usize - size, side as f64 / scaled);
        // Of an odd number of pixels that are left, the smaller half; torchvision: the even half.
        let even = room % 4 == 3 && crop == Crop::Torchvision;
        let offset = (room / 2 + usize::from(even)) as f64;
        move |i: usize| (offset + i as f64 + 0.5) * scale
    };
    let (rows, columns) = (side(height), side(width));
    let steps = [rows(1) - rows(0), columns(1) - columns(0)];
    let mut out = vec![0; size * size * 3];
    for channel in 0..3 {
        let value = |y: usize, x: usize| f64::from(data[(y * width + x) * 3 + channel]);
        for y in 0..size {
            let row: Vec<f64> = (0..width)
                .map(|x| {
                    let column: Vec<f64> = (0..height).map(|y| value(y, x)).collect();
                    mean(resample, &column, rows(y), steps[0])
                })
                .collect();
            for x in 0..size {
                out[(y * size + x) * 3 + channel] =
                    mean(resample, &row, columns(x), steps[1]) as u8;
            }
        }
    }
    out
}

fn compare(how: How, height: usize, width: usize) {
    let data: Vec<u8> = (0..height * width * 3)
        .map(|i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(9) as u8)
        .collect();
    let want = slow(how, &data, height, width);
    let decoder = Decoder::new(how.size, Exif::Ignore).with_resize(how.resample, how.crop);
    let got = { decoder }.decode(&png(&data, height, width, Rgb8)).unwrap().data;
    let off = got.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).max();
    // One for a value between the passes that was rounded the other way, and one for the result.
    assert!(off <= Some(2), "{height} × {width}, {how:?}: off by {off:?}");
}

/// Whether the edge between two pixels of a shrunk image goes through the centre of a source pixel,
/// which may then belong to either for the box filter.
fn undecided(how: How, side: usize, short: usize) -> bool {
    let scaled = match how.crop {
        Crop::Centre => ((side * how.size) as f64 / short as f64).round() as usize,
        Crop::Torchvision => side * how.size / short,
        Crop::Whole => how.size,
    };
    how.resample == Resample::Box
        && side > scaled
        && (1..scaled).any(|i| i * side % scaled * 2 == scaled)
}

fn ways(size: usize) -> impl Iterator<Item = How> {
    let crops = [Crop::Centre, Crop::Torchvision, Crop::Whole];
    let each = move |resample| crops.map(|crop| How { resample, crop, size });
    Resample::ALL.into_iter().flat_map(each)
}

/// Images that grow, shrink and keep their size, upright and wide, along both axes and along one.
#[test]
fn as_defined() {
    let sides = [(1, 9), (14, 26), (16, 31), (17, 40), (20, 33), (26, 27), (40, 40)];
    let mut compared = 0;
    for (short, long) in sides {
        for how in [2, 5, 16, 20].into_iter().flat_map(ways) {
            if !undecided(how, short, short) && !undecided(how, long, short) {
                compared += 1;
                compare(how, short, long);
                compare(how, long, short);
            }
        }
    }
    assert!(compared > 180, "{compared}");
}

/// Crops whose first or last pixel has its centre exactly on that of a source pixel.
#[test]
fn pixels_upon_pixels() {
    let mut found = 0;
    for size in [16, 31] {
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
                    let how = How { resample: Resample::Area, crop: Crop::Centre, size };
                    compare(how, short, long);
                    compare(how, long, short);
                }
            }
        }
    }
    assert!(found > 10, "{found}");
}

/// What OpenCV and Pillow make, to one level: the pictures of `bench/resize_golden.py`. Where an
/// image grows by the default, OpenCV repeats the pixels of the border, and does not round and
/// limit values between the two axes.
#[test]
fn opencv_and_pillow() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/resized");
    let read = |name: &str, resample, crop, size| {
        let bytes = std::fs::read(format!("{folder}/{name}.png")).unwrap();
        let decoder = Decoder::new(size, Exif::Ignore).with_resize(resample, crop);
        { decoder }.decode(&bytes).unwrap().data
    };
    for (resample, crop, ending) in [
        (Resample::Area, Crop::Centre, ""),
        (Resample::Linear, Crop::Centre, "-linear"),
        (Resample::Bilinear, Crop::Centre, "-bilinear"),
        (Resample::Bilinear, Crop::Torchvision, "-torchvision"),
    ] {
        for (name, size) in
            [("wide", 16), ("tall", 20), ("twice", 20), ("large", 24), ("small", 32), ("odd", 20)]
        {
            let got = read(name, resample, crop, size);
            let want = read(&format!("{name}-{size}{ending}"), Resample::Area, Crop::Centre, size);
            let grows_by_cubes = name == "small" && resample == Resample::Area;
            let (border, limit) = if grows_by_cubes { (6, 4) } else { (0, 1) };
            let inside = |i: usize| (border..size - border).contains(&i);
            let mut most = 0;
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                if inside(i / 3 / size) && inside(i / 3 % size) {
                    most = most.max(got.abs_diff(*want));
                }
            }
            assert!(most <= limit, "{name}, {resample:?}: off by {most}");
        }
    }
}
