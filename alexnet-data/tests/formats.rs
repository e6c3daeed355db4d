//! PNG, BMP, GIF, WebP and TIFF are decoded to the same pixels, within the limits of one image;
//! other kinds are refused by their names.

mod common;

use alexnet_data::{DecodeError, Decoder, Exif, decode};
use common::{picture, png};
use image::ExtendedColorType::{L8, La8, Rgb8, Rgba8, Rgba16};
use image::codecs::bmp::BmpEncoder;
use image::codecs::gif::GifEncoder;
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, Frame, ImageEncoder, RgbaImage};
use std::io::Cursor;

const SIDE: usize = 24;

/// A picture of four colours, which every format holds without loss, with so many channels.
fn pixels(channels: usize) -> Vec<u8> {
    let colour = |i: usize| [i / 9 % 2 * 200, i / 7 % 2 * 90, 40, 255][..channels].to_vec();
    (0..SIDE * SIDE).flat_map(colour).map(|v| v as u8).collect()
}

fn encoded(write: impl FnOnce(&mut Cursor<Vec<u8>>)) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    write(&mut out);
    out.into_inner()
}

/// The picture in each format, with a channel of alpha where the format has one.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let side = SIDE as u32;
    let (rgb, rgba) = (pixels(3), pixels(4));
    let webp = |out: &mut Cursor<Vec<u8>>| {
        WebPEncoder::new_lossless(out).write_image(&rgba, side, side, Rgba8).unwrap();
    };
    let gif = |out: &mut Cursor<Vec<u8>>| {
        let mut encoder = GifEncoder::new(out);
        let frame = |bytes: Vec<u8>| Frame::new(RgbaImage::from_raw(side, side, bytes).unwrap());
        let second = vec![255; rgba.len()];
        encoder.encode_frames([frame(rgba.clone()), frame(second)]).unwrap();
    };
    let write = |kind: ExtendedColorType, bytes: &[u8]| {
        let tiff =
            encoded(|out| TiffEncoder::new(out).write_image(bytes, side, side, kind).unwrap());
        let bmp = encoded(|out| BmpEncoder::new(out).write_image(bytes, side, side, kind).unwrap());
        [("TIFF", tiff), ("BMP", bmp)]
    };
    let mut files = vec![("GIF", encoded(gif)), ("WebP", encoded(webp))];
    files.extend(write(Rgb8, &rgb));
    files.extend(write(Rgba8, &rgba));
    files
}

#[test]
fn every_format() {
    let want = decode(&png(&pixels(3), SIDE, SIDE, Rgb8), SIDE).unwrap();
    assert_eq!(want.data, pixels(3));
    for (kind, bytes) in files() {
        for size in [SIDE, 10, 40] {
            let want = decode(&png(&pixels(3), SIDE, SIDE, Rgb8), size).unwrap();
            let got = decode(&bytes, size).unwrap_or_else(|e| panic!("{kind}: {e}"));
            assert_eq!(got, want, "{kind}");
        }
    }
}

/// A file that is cut anywhere is refused in one line, or (where nothing but its end is missing)
/// decoded; and none causes a panic.
#[test]
fn cut_files() {
    for (kind, bytes) in files() {
        let refused = (0..bytes.len()).filter(|&end| {
            let result = decode(&bytes[..end], SIDE);
            result.is_err_and(|error| !error.to_string().contains('\n'))
        });
        assert!(refused.count() > bytes.len() / 3, "{kind}");
    }
}

/// A large image is refused by what its pixels take, in every format.
#[test]
fn memory_is_limited() {
    let decoder = |pixels| Decoder::new(8, Exif::Ignore).with_max_pixels(pixels);
    for (kind, bytes) in files() {
        // WebP takes twice the time of the others, and may have half the pixels.
        let result = decoder(SIDE * SIDE - 1).decode(&bytes);
        assert!(matches!(result, Err(DecodeError::TooLarge { .. })), "{kind}: {result:?}");
        assert!(decoder(SIDE * SIDE * 4).decode(&bytes).is_ok(), "{kind}");
    }
    // Eight bytes a pixel, where four are allowed.
    let deep: Vec<u8> = pixels(4).iter().flat_map(|&v| [v, v]).collect();
    let deep = png(&deep, SIDE, SIDE, Rgba16);
    let result = decoder(SIDE * SIDE * 2 - 1).decode(&deep);
    assert!(matches!(result, Err(DecodeError::Limit { .. })), "{result:?}");
    let got = decoder(SIDE * SIDE * 4).decode(&deep).unwrap();
    assert_eq!(got, decode(&png(&pixels(3), SIDE, SIDE, Rgb8), 8).unwrap());
}

/// What resizing takes beside an image's pixels counts too, and is never less than the default
/// allows.
#[test]
fn memory_of_resizing_is_limited() {
    let large = png(&vec![9; 8000 * 7900], 8000, 7900, L8);
    let result = decode(&large, 4000);
    assert!(matches!(result, Err(DecodeError::Limit { limit: 256, .. })), "{result:?}");
    assert!(decode(&large, 1000).is_ok());
    let small = png(&pixels(3), SIDE, SIDE, Rgb8);
    let decoder = Decoder::new(SIDE * 4, Exif::Ignore);
    assert!(decoder.with_max_pixels(SIDE * SIDE).decode(&small).is_ok());
}

/// Pixels become RGB in their own memory, shorter or longer.
#[test]
fn every_colour_type() {
    let grey = picture(SIDE, SIDE, 2)[..SIDE * SIDE].to_vec();
    let want: Vec<u8> = grey.iter().flat_map(|&v| [v; 3]).collect();
    let alpha: Vec<u8> = grey.iter().flat_map(|&v| [v, !v]).collect();
    assert_eq!(decode(&png(&grey, SIDE, SIDE, L8), SIDE).unwrap().data, want);
    assert_eq!(decode(&png(&alpha, SIDE, SIDE, La8), SIDE).unwrap().data, want);
}

/// What is no image that is decoded here is refused by its real name, whatever it is called.
#[test]
fn other_kinds_by_name() {
    let brand = |brand: &[u8]| [b"\0\0\0\x20ftyp", brand, &[0; 40]].concat();
    for (bytes, kind) in [
        (brand(b"avif"), "AVIF"),
        (brand(b"heic"), "HEIC"),
        (brand(b"mif1"), "HEIC"),
        (b"\xff\x0a\0\0\0".to_vec(), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), "JPEG XL"),
    ] {
        assert_eq!(decode(&bytes, 8), Err(DecodeError::Unsupported { kind }));
    }
}
