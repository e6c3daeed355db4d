//! Images as the bytes of PNG and JPEG files, to look at.

use crate::decode::pixels::Pixels;
use image::ExtendedColorType::Rgb8;
use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use std::io::{Error, Result};

/// The image as the bytes of a PNG file, the same on every machine.
///
/// ```
/// use alexnet_data::{Pixels, decode, encode_png};
/// let image = Pixels::new(1, 1, vec![10, 200, 30]);
/// assert_eq!(decode(&encode_png(&image)?, 1).unwrap(), image);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// An image without pixels, or whose data have another length than its size says.
pub fn encode_png(image: &Pixels) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = check(image)?;
    let encoder = PngEncoder::new(&mut bytes);
    encoder.write_image(&image.data, width, height, Rgb8).map_err(Error::other)?;
    Ok(bytes)
}

/// The image as the bytes of a JPEG file with all of its colour samples, the same on every machine.
///
/// # Errors
/// As [`encode_png`]; sides of 65,536 pixels and more.
pub fn encode_jpeg(image: &Pixels, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = check(image)?;
    let side = |side: u32| u16::try_from(side).map_err(Error::other);
    let (width, height) = (side(width)?, side(height)?);
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    encoder.encode(&image.data, width, height, ColorType::Rgb).map_err(Error::other)?;
    Ok(bytes)
}

/// The width and the height, where the data are as long as these say.
fn check(image: &Pixels) -> Result<(u32, u32)> {
    let Pixels { height, width, data, .. } = image;
    let bytes = height.checked_mul(*width).and_then(|pixels| pixels.checked_mul(3));
    if bytes != Some(data.len()) || data.is_empty() {
        let found = format!("{height}×{width} pixels in {} bytes", data.len());
        return Err(Error::other(found));
    }
    let side = |side: usize| u32::try_from(side).map_err(Error::other);
    Ok((side(*width)?, side(*height)?))
}
