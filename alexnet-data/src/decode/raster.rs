//! PNG, BMP, GIF, WebP and TIFF files.

use super::error::{DecodeError, Result};
use super::exif::{Exif, is_turned, upright};
use super::kind::Kind;
use super::limits::Limits;
use super::pixels::Pixels;
use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError};
use std::io::Cursor;

/// Decodes an image in its own size; of several, the first.
pub(super) fn decode(kind: Kind, bytes: &[u8], exif: Exif, limits: Limits) -> Result<Pixels> {
    let input = Cursor::new(bytes);
    let mut memory = image::Limits::default();
    memory.max_alloc = Some(limits.memory() as u64);
    match kind {
        Kind::Png => of(PngDecoder::with_limits(input, memory.clone()), memory, exif, limits),
        Kind::Bmp => of(BmpDecoder::new(input), memory, exif, limits),
        Kind::Gif => of(GifDecoder::new(input), memory, exif, limits),
        // Its decoder takes twice as long for a pixel as the others.
        Kind::WebP => {
            let limits = Limits { pixels: limits.pixels / 2 };
            of(WebPDecoder::new(input), memory, exif, limits)
        }
        Kind::Tiff => of(TiffDecoder::new(input), memory, exif, limits),
        Kind::Jpeg | Kind::Avif | Kind::Heic | Kind::JpegXl => {
            Err(DecodeError::Unsupported { kind: kind.name() })
        }
    }
}

fn of<D: ImageDecoder>(
    decoder: Result<D, ImageError>,
    memory: image::Limits,
    exif: Exif,
    limits: Limits,
) -> Result<Pixels> {
    let mut decoder = decoder.map_err(fail)?;
    let [width, height] = <[u32; 2]>::from(decoder.dimensions()).map(|side| side as usize);
    limits.check_size(height, width)?;
    let bytes = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    let colours = decoder.color_type();
    let in_place = matches!(bytes_of(colours), Some((1 | 2, _)));
    let copy = if in_place { 0 } else { height * width * 3 };
    limits.check_memory(bytes.max(height * width * 3).saturating_add(copy))?;
    decoder.set_limits(memory).map_err(fail)?;
    let chunk = if exif == Exif::Apply { decoder.exif_metadata().map_err(fail)? } else { None };
    if is_turned(exif, chunk.as_deref()) {
        limits.check_memory(height * width * 3 * 2)?;
    }
    let data = match bytes_of(colours) {
        Some((sample, channels)) => {
            let mut data = vec![0; bytes];
            decoder.read_image(&mut data).map_err(fail)?;
            to_rgb(data, height * width, sample, channels)
        }
        None => DynamicImage::from_decoder(decoder).map_err(fail)?.into_rgb8().into_raw(),
    };
    Ok(upright(Pixels::new(height, width, data), exif, chunk.as_deref()))
}

fn fail(error: ImageError) -> DecodeError {
    match error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated
        }
        error => DecodeError::broken(error),
    }
}

/// The bytes of a sample and the number of channels of integer colours.
fn bytes_of(colours: ColorType) -> Option<(usize, usize)> {
    match colours {
        ColorType::L8 => Some((1, 1)),
        ColorType::La8 => Some((1, 2)),
        ColorType::Rgb8 => Some((1, 3)),
        ColorType::Rgba8 => Some((1, 4)),
        ColorType::L16 => Some((2, 1)),
        ColorType::La16 => Some((2, 2)),
        ColorType::Rgb16 => Some((2, 3)),
        ColorType::Rgba16 => Some((2, 4)),
        _ => None,
    }
}

/// Converts pixels to 8-bit RGB in their own memory: 16 bits become 8, rounded, alpha is dropped,
/// and grey is repeated.
fn to_rgb(mut data: Vec<u8>, pixels: usize, sample: usize, channels: usize) -> Vec<u8> {
    let value = |data: &[u8], at: usize| match sample {
        1 => data[at],
        _ => ((u32::from(u16::from_ne_bytes([data[at], data[at + 1]])) + 128) / 257) as u8,
    };
    let step = sample * channels;
    let pixel = |data: &[u8], i: usize| match channels {
        1 | 2 => [value(data, i * step); 3],
        _ => [0, 1, 2].map(|c| value(data, i * step + c * sample)),
    };
    if step < 3 {
        // Backwards, where pixels become longer.
        data.resize(pixels * 3, 0);
        for i in (0..pixels).rev() {
            let rgb = pixel(&data, i);
            data[i * 3..][..3].copy_from_slice(&rgb);
        }
    } else if step > 3 {
        for i in 0..pixels {
            let rgb = pixel(&data, i);
            data[i * 3..][..3].copy_from_slice(&rgb);
        }
        data.truncate(pixels * 3);
    }
    data
}
