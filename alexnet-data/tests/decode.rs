//! Decoding: geometry of resize and crop, colour conversions, and files that are not what they say.

mod common;

use alexnet_data::{DecodeError, Decoder, Exif, MAX_PIXELS, decode};
use common::{jpeg, options, picture, png, put, run};
use image::ExtendedColorType::{L8, L16, La8, Rgb8, Rgba8};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// An image whose shorter side has the requested size is cropped, and otherwise unchanged.
#[test]
fn same_size_is_exact() {
    for (height, width) in [(9, 9), (9, 14), (13, 9)] {
        let pixels = picture(height, width, 4);
        let got = decode(&png(&pixels, height, width, Rgb8), 9).unwrap();
        let (top, left) = ((height - 9) / 2, (width - 9) / 2);
        let want: Vec<u8> =
            (0..9).flat_map(|y| pixels[((top + y) * width + left) * 3..][..27].to_vec()).collect();
        assert_eq!((got.height, got.width, &got.data), (9, 9, &want));
        assert_eq!(got.damage, None);
    }
}

/// A pixel of a halved image is the mean of four; the crop is at ⌊(side − size) / 2⌋ of the resized
/// image.
#[test]
fn halving_averages() {
    // 8 × 14 becomes 4 × 7, of which columns 1 to 4 are kept.
    let pixels = picture(8, 14, 2);
    let got = decode(&png(&pixels, 8, 14, Rgb8), 4).unwrap();
    for (i, &v) in got.data.iter().enumerate() {
        let (y, x, c) = (i / 12 * 2, (i / 3 % 4 + 1) * 2, i % 3);
        let at = |y: usize, x: usize| f64::from(pixels[(y * 14 + x) * 3 + c]);
        let want = (at(y, x) + at(y, x + 1) + at(y + 1, x) + at(y + 1, x + 1)) / 4.0;
        assert!((f64::from(v) - want).abs() <= 1.0, "value {i}: {v}, want {want}");
    }
}

/// Cropping while resizing equals cropping after resizing: the central square of a wide image does
/// not depend on columns outside of the filter's reach.
#[test]
fn the_crop_sees_over_its_edge() {
    for size in [5, 16] {
        // Shorter side 10, crops of 10 columns' worth at 20 (of 50).
        let wide = picture(10, 50, 3);
        let columns = |from: usize, n: usize| -> Vec<u8> {
            wide.chunks(150).flat_map(|row| row[from * 3..][..n * 3].to_vec()).collect()
        };
        let whole = decode(&png(&wide, 10, 50, Rgb8), size).unwrap();
        let narrow = decode(&png(&columns(10, 30), 10, 30, Rgb8), size).unwrap();
        assert_eq!(whole, narrow);
    }
}

/// Grey, 16 bits and alpha become RGB.
#[test]
fn colour_types() {
    let flat = |kind, pixel: &[u8]| decode(&png(&pixel.repeat(16), 4, 4, kind), 4).unwrap().data;
    assert_eq!(flat(L8, &[77]), [77; 48]);
    assert_eq!(flat(La8, &[77, 3]), [77; 48]);
    assert_eq!(flat(Rgba8, &[1, 2, 3, 0]), [1, 2, 3].repeat(16));
    assert_eq!(flat(L16, &(77u16 * 257).to_ne_bytes()), [77; 48]);
}

/// For every chroma sampling, the colours are right and every block is at its position.
#[test]
fn samplings() {
    for luma @ (h, v) in [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4), (4, 2), (2, 4)] {
        let (rows, columns) = (usize::from(v) * 8, usize::from(h) * 24);
        let side = rows.min(columns);
        let middle = |colour: &dyn Fn(usize, usize) -> u8| {
            let bytes = common::bare_jpeg::jpeg(&[luma, (1, 1), (1, 1)], 3, None, colour);
            let got = decode(&bytes, side).unwrap();
            assert_eq!(got.damage, None, "{luma:?}");
            got.data
        };
        // Y 100, Cb 90, Cr 180: R = Y + 1.402·52, G = Y + 0.34414·38 − 0.71414·52, B = Y −
        // 1.772·38.
        let data = middle(&|c, _| [100, 90, 180][c]);
        let right = |p: &[u8]| {
            p.iter().zip([172.9, 75.9, 32.7]).all(|(v, w)| (f64::from(*v) - w).abs() < 1.6)
        };
        assert!(data.chunks(3).all(right), "{luma:?}: {:?}", &data[..3]);
        // Each block of luma its own grey; the crop is the picture's middle, and not resized.
        let (per_unit, grey) = (usize::from(h * v), |b: usize| (10 + 9 * b) as u8);
        let data = middle(&|c, b| if c == 0 { grey(b) } else { 128 });
        let (top, left) = ((rows - side) / 2, (columns - side) / 2);
        for (i, pixel) in data.chunks(3).enumerate() {
            let (y, x) = (top + i / side, left + i % side);
            let unit = x / 8 / usize::from(h);
            let block = unit * per_unit + y / 8 * usize::from(h) + x / 8 % usize::from(h);
            assert_eq!(pixel, [grey(block); 3], "{luma:?} at {y}, {x}");
        }
    }
}

/// The four-colour files of ImageNet, CMYK and (with Adobe's marker) YCCK, which store inverted
/// colours, are converted by the formulas of Pillow.
#[test]
fn four_colours() {
    let middle = |adobe, values: [u8; 4]| {
        let bytes = common::bare_jpeg::jpeg(&[(1, 1); 4], 2, adobe, |c, _| values[c]);
        let got = decode(&bytes, 8).unwrap();
        assert_eq!(got.damage, None);
        assert!(got.data.chunks(3).all(|p| p == &got.data[..3]));
        [0, 1, 2].map(|c| f64::from(got.data[c]))
    };
    let near = |got: [f64; 3], want: [f64; 3]| {
        let near = got.iter().zip(want).all(|(g, w)| (g - w).abs() <= 2.0);
        assert!(near, "{got:?}, want {want:?}");
    };
    let scale = |v: f64, k: u8| v * f64::from(k) / 255.0;
    let [c, m, y, k] = [200u8, 120, 40, 180];
    near(middle(Some(0), [c, m, y, k]), [c, m, y].map(|v| scale(f64::from(v), k)));
    // Y 100, Cb 90, Cr 180 are (172.9, 75.9, 32.7), the inverted colours of the inverted ones.
    let rgb = [172.9, 75.9, 32.7];
    near(middle(Some(2), [100, 90, 180, k]), rgb.map(|v| scale(255.0 - v, k)));
}

/// Bytes after the end of an image change nothing; images of one row or one column become squares.
#[test]
fn trailing_bytes_and_strips() {
    let good = jpeg(&picture(20, 30, 1), 20, 30);
    let want = decode(&good, 8).unwrap();
    for junk in [&b"\0"[..], b"junk", &[0xff; 300], &[0xff, 0xd9], b"PK\x03\x04"] {
        assert_eq!(decode(&[&good[..], junk].concat(), 8).unwrap(), want, "{junk:?}");
    }
    for (height, width) in [(1, 1), (1, 700), (700, 1), (1, 17), (65500, 1)] {
        let pixels = vec![90; height * width * 3];
        for bytes in [jpeg(&pixels, height, width), png(&pixels, height, width, Rgb8)] {
            let got = decode(&bytes, 16).unwrap();
            assert_eq!((got.height, got.width, got.damage), (16, 16, None));
            assert!(got.data.iter().all(|v| v.abs_diff(90) <= 1), "{height} × {width}");
        }
    }
}

/// The content of a file decides, not its name: a PNG may be named `.JPEG`, and a JPEG `.png`.
#[test]
fn names_do_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let pixels = picture(9, 9, 4);
    put(&input, "c/n02105855_2933.JPEG", &png(&pixels, 9, 9, Rgb8));
    put(&input, "c/x.png", &jpeg(&[200; 243], 9, 9));
    assert_eq!(run(&options(&input, &output, 9)).unwrap().skipped, 0);
    let dataset = alexnet_data::Dataset::open(&output).unwrap();
    let train = dataset.split("train").unwrap();
    assert!((0..2).any(|i| train.record(i).unwrap().pixels == pixels));
}

/// Orientation is ignored unless it is to be applied; an invalid one is always ignored.
#[test]
fn exif_orientation() {
    let pixels = picture(16, 24, 3);
    let plain = jpeg(&pixels, 16, 24);
    let with = |orientation: u8| {
        // A TIFF header and one entry: tag 0x112, type short, one value.
        let mut app1 = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        app1.extend([orientation, 0, 0, 0, 0, 0, 0]);
        let length = (app1.len() as u16 + 2).to_be_bytes();
        [&plain[..2], &[0xff, 0xe1], &length, &app1, &plain[2..]].concat()
    };
    let upright = decode(&plain, 16).unwrap().data;
    let at = |data: &[u8], y: usize, x: usize| data[(y * 16 + x) * 3..][..3].to_vec();
    for orientation in 0..=9 {
        let bytes = with(orientation);
        assert_eq!(decode(&bytes, 16).unwrap().data, upright);
        let turned = Decoder::new(16, Exif::Apply).decode(&bytes).unwrap().data;
        for (y, x) in [(0, 0), (3, 9), (15, 2)] {
            // Where the pixel that is shown at (y, x) lies in the file.
            let (fy, fx) = match orientation {
                2 => (y, 15 - x),
                3 => (15 - y, 15 - x),
                4 => (15 - y, x),
                5 => (x, y),
                6 => (15 - x, y),
                7 => (15 - x, 15 - y),
                8 => (x, 15 - y),
                _ => (y, x),
            };
            assert_eq!(at(&turned, y, x), at(&upright, fy, fx), "orientation {orientation}");
        }
    }
}

/// Each file that is no image, or not a whole one, is an error that says what is wrong.
#[test]
fn broken_files() {
    let good = jpeg(&picture(20, 20, 1), 20, 20);
    assert!(decode(&good, 8).is_ok());
    assert!(matches!(decode(b"", 8), Err(DecodeError::Format { .. })));
    assert!(matches!(decode(b"\xff\x0a", 8), Err(DecodeError::Unsupported { kind: "JPEG XL" })));
    assert!(matches!(decode(&good[..good.len() / 2], 8), Err(DecodeError::Truncated)));
    for size in [0, 4097, usize::MAX] {
        assert!(matches!(decode(&good, size), Err(DecodeError::Size { .. })));
    }
    // Cut anywhere: refused, or (in the last row of blocks) taken with a word about it.
    for end in 0..good.len() {
        match decode(&good[..end], 8) {
            Ok(pixels) => assert!(end > good.len() / 2 && pixels.damage.is_some(), "{end}"),
            Err(error) => assert!(!error.to_string().contains('\n')),
        }
    }
}

/// A flipped bit inside a scan is reported wherever the decoder can notice it.
#[test]
fn flipped_bits() {
    let good = jpeg(&picture(40, 40, 1), 40, 40);
    let mut damaged = 0;
    for i in 0..good.len() {
        let mut bytes = good.clone();
        bytes[i] ^= 1 << (i % 8);
        damaged += usize::from(decode(&bytes, 16).is_ok_and(|pixels| pixels.damage.is_some()));
    }
    assert!(damaged > 0);
}

/// A header that claims 65,535² pixels is refused before memory is allocated.
#[test]
fn huge_claims_cost_nothing() {
    let mut bytes = jpeg(&picture(20, 20, 1), 20, 20);
    let frame = bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].fill(0xff);
    let start = Instant::now();
    assert_eq!(
        decode(&bytes, 8),
        Err(DecodeError::TooLarge { height: 65535, width: 65535, limit: MAX_PIXELS })
    );
    assert!(start.elapsed() < Duration::from_millis(200));
}

const SAMPLINGS: [SamplingFactor; 6] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_1_2,
    SamplingFactor::F_2_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_4_2,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The reused memory of a decoder does not change its results: after a black and after a white
    /// image, JPEGs of every kind, whole, damaged and cut, decode to what they are by themselves.
    #[test]
    fn decoders_remember_nothing(
        (height, width) in (1usize..70, 1usize..70),
        sampling in 0..SAMPLINGS.len(),
        (grey, progressive, optimized) in any::<(bool, bool, bool)>(),
        restart in prop_oneof![Just(0u16), 1..9u16],
        quality in 30u8..=100,
        (flip, bit, cut) in any::<(prop::sample::Index, u8, Option<prop::sample::Index>)>(),
    ) {
        let pixels = picture(height, width, width);
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, quality);
        encoder.set_sampling_factor(SAMPLINGS[sampling]);
        encoder.set_progressive(progressive);
        // The encoder cannot do both.
        encoder.set_optimized_huffman_tables(optimized && restart == 0);
        encoder.set_restart_interval(restart);
        let (columns, rows) = (width as u16, height as u16);
        if grey {
            encoder.encode(&pixels[..height * width], columns, rows, ColorType::Luma).unwrap();
        } else {
            encoder.encode(&pixels, columns, rows, ColorType::Rgb).unwrap();
        }
        let mut files = vec![bytes.clone(), bytes.clone()];
        let at = flip.index(bytes.len());
        files[1][at] ^= 1 << (bit % 8);
        files.extend(cut.map(|cut| bytes[..cut.index(bytes.len())].to_vec()));
        for (n, file) in files.iter().enumerate() {
            let want = decode(file, 16).map_err(|e| e.to_string());
            prop_assert!(n > 0 || want.is_ok(), "{:?}", want);
            for shade in [0, 255] {
                let mut decoder = Decoder::new(16, Exif::Ignore);
                let flat = decoder.decode(&png(&[shade; 90 * 90 * 3], 90, 90, Rgb8)).unwrap();
                prop_assert_eq!(flat.data, vec![shade; 16 * 16 * 3]);
                prop_assert_eq!(&decoder.decode(file).map_err(|e| e.to_string()), &want);
            }
        }
    }
}

/// An image does not depend on the number and order of its scans, however its chroma is sampled.
#[test]
fn scans_do_not_change_an_image() {
    use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2, F_4_1};
    let side = 72;
    let value = |i: usize| [i / 3 % side, i / 3 / side, (i / 3 % side + i / 3 / side) / 2][i % 3];
    let pixels: Vec<u8> = (0..side * side * 3).map(|i| (value(i) * 255 / side) as u8).collect();
    let file = |sampling, separate_scans, progressive| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 95);
        encoder.set_sampling_factor(sampling);
        encoder.set_optimized_huffman_tables(separate_scans); // which also makes separate scans
        encoder.set_progressive(progressive);
        encoder.encode(&pixels, side as u16, side as u16, ColorType::Rgb).unwrap();
        bytes
    };
    for sampling in [F_1_1, F_1_2, F_2_1, F_2_2, F_4_1] {
        for size in [side, 40, side / 4] {
            let separate = decode(&file(sampling, true, false), size).unwrap();
            assert_eq!(separate.damage, None);
            for (scans, progressive) in [(false, false), (true, true)] {
                let other = decode(&file(sampling, scans, progressive), size).unwrap();
                let pairs = separate.data.iter().zip(&other.data);
                let error: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                let mean = error as f64 / other.data.len() as f64;
                assert!(mean < 2.0, "{sampling:?} at {size}: {mean}");
            }
        }
    }
}
