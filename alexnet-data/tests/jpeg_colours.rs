//! The colours of JPEGs are those that libjpeg decides, in every sampling; and what is not decoded
//! is refused with the true reason.

mod common;

use alexnet_data::{DecodeError, Decoder, Exif, decode};
use common::bare_jpeg::{Sampling, jpeg};

/// The conversion of JFIF.
fn rgb([y, cb, cr]: [u8; 3]) -> [f64; 3] {
    let [y, cb, cr] = [f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0];
    [y + 1.402 * cr, y - 0.344_14 * cb - 0.714_14 * cr, y + 1.772 * cb].map(|v| v.clamp(0.0, 255.0))
}

/// Every sampling by one to four of luma and both chromas that libjpeg decodes: each block has its
/// own colour, and is where it belongs.
#[test]
fn every_sampling() {
    let factors = || (1..=4).flat_map(|h| (1..=4).map(move |v| (h, v)));
    let (mut decoded, mut refused) = (0, 0);
    for luma in factors() {
        for cb in factors() {
            for cr in [cb, (1, 1)] {
                match check(&[luma, cb, cr]) {
                    true => decoded += 1,
                    false => refused += 1,
                }
            }
        }
    }
    assert!(decoded > 100 && refused > 100, "{decoded} decoded, {refused} refused");
}

/// Whether a sampling is decoded, and rightly.
fn check(sampling: &[Sampling]) -> bool {
    let most = |side: fn(&Sampling) -> u8| sampling.iter().map(side).max().unwrap();
    let (most_h, most_v) = (most(|s| s.0), most(|s| s.1));
    let whole = |s: &Sampling| most_h.is_multiple_of(s.0) && most_v.is_multiple_of(s.1);
    let blocks: u8 = sampling.iter().map(|s| s.0 * s.1).sum();
    let value = |c: usize, b: usize| (60 + 40 * c + 11 * (b % 7)) as u8;
    let bytes = jpeg(sampling, 3, None, value);
    let side = 8 * usize::from(most_v.min(most_h * 3));
    let result = decode(&bytes, side);
    if blocks > 10 || !sampling.iter().all(whole) {
        assert!(result.is_err(), "{sampling:?}");
        return false;
    }
    let got = result.unwrap_or_else(|e| panic!("{sampling:?}: {e}"));
    assert_eq!(got.damage, None, "{sampling:?}");
    let (height, width) = (8 * usize::from(most_v), 24 * usize::from(most_h));
    let (top, left) = ((height - side) / 2, (width - side) / 2);
    let mut error = 0.0;
    for (i, pixel) in got.data.chunks(3).enumerate() {
        let (y, x) = (top + i / side, left + i % side);
        let sample = |c: usize| {
            let (h, v) = (usize::from(sampling[c].0), usize::from(sampling[c].1));
            let block = |at: usize, own: usize, most: u8| at * own / usize::from(most) / 8;
            let (row, column) = (block(y, v, most_v), block(x, h, most_h));
            value(c, column / h * h * v + row % v * h + column % h)
        };
        let want = rgb([0, 1, 2].map(sample));
        let pairs = pixel.iter().zip(want);
        error += pairs.map(|(got, want)| (f64::from(*got) - want).abs()).sum::<f64>();
    }
    // Chroma may be smoothed between its blocks.
    let mean = error / got.data.len() as f64;
    assert!(mean < 4.0, "{sampling:?}: {mean}");
    true
}

/// Inserts segments after the start-of-image marker.
fn with(bytes: &[u8], segments: &[u8]) -> Vec<u8> {
    [&bytes[..2], segments, &bytes[2..]].concat()
}

/// The position of the frame header's marker.
fn frame(bytes: &[u8]) -> usize {
    bytes.windows(2).position(|w| w == [0xff, 0xc0]).unwrap()
}

/// JFIF comes before Adobe's colour transform, and that before the names of components.
#[test]
fn the_colours_of_three_components() {
    const JFIF: &[u8] = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
    let values = [100, 90, 180];
    for (size, sampling) in [(8, (1, 1)), (16, (2, 2)), (8, (2, 2))] {
        for adobe in [None, Some(0), Some(1), Some(2)] {
            for names in [[1, 2, 3], [0, 1, 2], *b"RGB", *b"rgb", [1, 34, 35]] {
                for jfif in [false, true] {
                    let all = [sampling, (1, 1), (1, 1)];
                    let mut bytes = jpeg(&all, 3, adobe, |c, _| values[c]);
                    let (at, scan) =
                        (frame(&bytes), bytes.windows(2).rposition(|w| w == [0xff, 0xda]));
                    for (i, name) in names.into_iter().enumerate() {
                        bytes[at + 10 + i * 3] = name;
                        bytes[scan.unwrap() + 5 + i * 2] = name;
                    }
                    let bytes = if jfif { with(&bytes, JFIF) } else { bytes };
                    let stored = !jfif && (adobe == Some(0) || adobe.is_none() && names == *b"RGB");
                    let want = if stored { values.map(f64::from) } else { rgb(values) };
                    let got = decode(&bytes, size).unwrap();
                    assert_eq!(got.damage, None);
                    let near =
                        |p: &[u8]| p.iter().zip(want).all(|(g, w)| (f64::from(*g) - w).abs() < 2.0);
                    let what = format!("{sampling:?}, Adobe {adobe:?}, {names:?}, JFIF {jfif}");
                    assert!(got.data.chunks(3).all(near), "{what}: {:?}", &got.data[..3]);
                }
            }
        }
    }
}

/// The blocks of a single component come row by row, whatever its sampling factors are.
#[test]
fn grey_with_odd_factors() {
    for (h, v) in (1..=4).flat_map(|h| (1..=4).map(move |v| (h, v))) {
        let value = |_: usize, block: usize| (20 + 4 * block) as u8;
        let bytes = jpeg(&[(h, v)], 2, None, value);
        let (rows, columns) = (usize::from(v), usize::from(h) * 2);
        let side = 8 * rows.min(columns);
        let got = decode(&bytes, side).unwrap();
        assert_eq!(got.damage, None);
        let (top, left) = ((rows * 8 - side) / 2, (columns * 8 - side) / 2);
        for (i, pixel) in got.data.chunks(3).enumerate() {
            let (y, x) = (top + i / side, left + i % side);
            assert_eq!(pixel, [value(0, y / 8 * columns + x / 8); 3], "{h}×{v} at {y}, {x}");
        }
    }
}

/// A DNL segment says the height again, or first.
#[test]
fn number_of_lines() {
    let good = jpeg(&[(2, 2), (1, 1), (1, 1)], 2, None, |c, b| (90 + 20 * c + b) as u8);
    let want = decode(&good, 16).unwrap();
    let end = good.len() - 2;
    let lines = |height: u8| [&good[..end], &[0xff, 0xdc, 0, 4, 0, height], &good[end..]].concat();
    assert_eq!(decode(&lines(16), 16).unwrap(), want);
    let mut first = lines(16);
    let at = frame(&first);
    first[at + 5..at + 7].fill(0);
    assert_eq!(decode(&first, 16).unwrap(), want);
    let mut none = good.clone();
    none[at + 5..at + 7].fill(0);
    assert!(decode(&none, 16).unwrap_err().to_string().starts_with("0×"));
}

/// Kinds of JPEG that are not decoded are named.
#[test]
fn true_reasons() {
    let good = jpeg(&[(1, 1); 3], 2, None, |_, _| 99);
    let at = frame(&good);
    let kinds = [
        (0xc3, "a lossless JPEG"),
        (0xc5, "a hierarchical JPEG"),
        (0xc6, "a hierarchical JPEG"),
        (0xc7, "a hierarchical JPEG"),
        (0xc9, "an arithmetic-coded JPEG"),
        (0xca, "an arithmetic-coded JPEG"),
        (0xcb, "a lossless, arithmetic-coded JPEG"),
        (0xcd, "a hierarchical JPEG"),
        (0xde, "a hierarchical JPEG"),
        (0xf7, "JPEG-LS"),
    ];
    for (marker, kind) in kinds {
        let mut bytes = good.clone();
        bytes[at + 1] = marker;
        assert_eq!(decode(&bytes, 8), Err(DecodeError::Unsupported { kind }), "{marker:x}");
    }
    let mut twelve = good.clone();
    twelve[at + 4] = 12;
    let reason = decode(&twelve, 8).unwrap_err().to_string();
    assert!(reason.contains("12 bits a sample"), "{reason}");
    for count in [2, 5] {
        let bytes = jpeg(&vec![(1, 1); count], 2, None, |_, _| 99);
        let reason = decode(&bytes, 8).unwrap_err().to_string();
        assert!(reason.contains(&format!("{count} components")), "{reason}");
    }
}

/// The limits follow from the number of pixels: nothing is decoded that would exceed them.
#[test]
fn work_is_limited() {
    let good = jpeg(&[(1, 1); 3], 8, None, |_, _| 99);
    // A second scan of the first component, a thousand times.
    let again = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\0".repeat(2000);
    let end = good.len() - 2;
    let many = [&good[..end], &again, &good[end..]].concat();
    let scans = DecodeError::Scans { scans: 2001, limit: 1000 };
    assert_eq!(decode(&many, 8), Err(scans));
    let some = [&good[..end], &again[..12 * 900], &good[end..]].concat();
    let with = |pixels| Decoder::new(8, Exif::Ignore).with_max_pixels(pixels).decode(&some);
    assert!(matches!(with(512), Err(DecodeError::Limit { what, .. }) if what.contains("blocks")));
    assert!(matches!(with(511), Err(DecodeError::TooLarge { limit: 511, .. })));
    assert!(with(100_000).is_ok());
}
