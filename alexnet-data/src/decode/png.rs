//! PNG files.

use super::error::{DecodeError, Result};
use super::exif::{Exif, upright};
use super::pixels::{MAX_PIXELS, Pixels, check_size};
use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder, Limits};
use std::io::Cursor;

/// Decodes a PNG in its own size.
pub(super) fn decode(bytes: &[u8], exif: Exif) -> Result<Pixels> {
    let fail = |e: image::ImageError| DecodeError::broken(e);
    let mut limits = Limits::default();
    // Enough for the largest image in 16-bit RGBA; it also stops text chunks that inflate forever.
    limits.max_alloc = Some(MAX_PIXELS as u64 * 8);
    let mut decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(fail)?;
    let [width, height] = <[u32; 2]>::from(decoder.dimensions()).map(|side| side as usize);
    check_size(height, width)?;
    let chunk = if exif == Exif::Apply { decoder.exif_metadata().map_err(fail)? } else { None };
    let image = DynamicImage::from_decoder(decoder).map_err(fail)?;
    let pixels = Pixels::new(height, width, image.into_rgb8().into_raw());
    Ok(upright(pixels, exif, chunk.as_deref()))
}
