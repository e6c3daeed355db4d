//! Decoding: geometry of resize and crop, colour conversions, and files that are not what they say.

#![allow(clippy::print_stdout)] // a test that is skipped says so

mod common;

use alexnet_data::{DecodeError, MAX_PIXELS, decode};
use common::{jpeg, picture, png};
use image::ExtendedColorType::{L8, L16, La8, Rgb8, Rgba8};
use std::path::Path;
use std::time::{Duration, Instant};

/// An image of the stored size is not touched, whatever its aspect: only its centre is taken.
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

/// Halving is the mean of four pixels; the offset is ⌊(side − size) / 2⌋ of the resized image.
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

/// Cropping while resizing is cropping after resizing: the square in the middle of a wide image is
/// the same whether its sides, outside the crop's reach, are there or not.
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

/// Grey, 16 bits, alpha: all become RGB.
#[test]
fn colour_types() {
    let flat = |kind, pixel: &[u8]| decode(&png(&pixel.repeat(16), 4, 4, kind), 4).unwrap().data;
    assert_eq!(flat(L8, &[77]), [77; 48]);
    assert_eq!(flat(La8, &[77, 3]), [77; 48]);
    assert_eq!(flat(Rgba8, &[1, 2, 3, 0]), [1, 2, 3].repeat(16));
    assert_eq!(flat(L16, &(77u16 * 257).to_ne_bytes()), [77; 48]);
}

/// Files that are no images, in part or at all: an error each, that says what is wrong.
#[test]
fn broken_files() {
    let good = jpeg(&picture(20, 20, 1), 20, 20);
    assert!(decode(&good, 8).is_ok());
    assert!(matches!(decode(b"", 8), Err(DecodeError::Format { .. })));
    assert!(matches!(decode(b"GIF89a", 8), Err(DecodeError::Format { .. })));
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

/// A flipped bit inside a scan never passes without a word where the decoder can see it, and never
/// panics.
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

/// A header that claims 65,535² pixels is refused before any memory is asked for.
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

/// 245 odd and broken files, where they are at hand: each ends as their list says.
#[test]
fn nasty_files() {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/nasty.tar.gz");
    if !Path::new(archive).exists() {
        println!("skipped: {archive} is not here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tar = std::process::Command::new("tar")
        .arg("xzf")
        .arg(archive)
        .arg("-C")
        .arg(dir.path())
        .status();
    if !tar.is_ok_and(|status| status.success()) {
        println!("skipped: no tar to unpack {archive}");
        return;
    }
    let root = dir.path().join("nasty");
    let list = std::fs::read_to_string(root.join("MANIFEST.tsv")).unwrap();
    let (mut files, mut wrong) = (0, Vec::new());
    for line in list.lines().skip(1) {
        let fields: Vec<_> = line.split('\t').collect();
        let start = Instant::now();
        let result = std::fs::read(root.join(fields[0])).map_err(|e| e.to_string());
        let result = result.and_then(|bytes| decode(&bytes, 64).map_err(|e| e.to_string()));
        if start.elapsed() > Duration::from_secs(5) {
            wrong.push(format!("{}: took {:?}", fields[0], start.elapsed()));
        }
        match (fields[2], &result) {
            ("ok", Err(e)) => wrong.push(format!("{}: {e}", fields[0])),
            ("error", Ok(_)) => wrong.push(format!("{}: decoded", fields[0])),
            _ => files += 1,
        }
    }
    assert!(files > 200 && wrong.is_empty(), "{}", wrong.join("\n"));
}
