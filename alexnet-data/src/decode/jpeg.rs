//! JPEG files: whole ones, large ones that are scaled while they are decoded, and damaged ones.

use super::bytes::Bytes;
use super::error::{DecodeError, Result, one_line};
use super::exif::{Exif, upright};
use super::pixels::{Pixels, check_size};
use super::scaled;
use super::scans::has_separate_scans;
use super::square::Picture;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

/// Decodes a JPEG in its own size or, where it is much larger than `size`, at a fraction of it. The
/// result may use the memory of `buffer`, whose content does not matter.
pub(super) fn decode(bytes: &[u8], size: usize, exif: Exif, buffer: Vec<u8>) -> Result<Picture> {
    // The strict mode comes first, because the lenient one fills what it cannot read with grey and
    // reports success. In the last row of blocks even the strict mode takes missing bytes for
    // zeros, so the end-of-image marker is looked for as well.
    let complete = has_end(bytes);
    let damaged = |pixels, damage| Picture::whole(Pixels { damage: Some(damage), ..pixels });
    // Only an undamaged file is scaled, because only the other decoder describes damage. Only such
    // a file may use the old buffer, because its decoder then overwrites every pixel.
    let (scaled_to, buffer) = if complete { (Some(size), buffer) } else { (None, Vec::new()) };
    let error = match attempt(bytes, scaled_to, exif, true, buffer) {
        Ok(picture) if complete => return Ok(picture),
        Ok(Picture { pixels, .. }) => {
            let damage = "no end-of-image marker: the last rows may be missing";
            return Ok(damaged(pixels, damage.into()));
        }
        Err(Failure::Final(error)) => return Err(error),
        Err(Failure::Decoder(error)) => error,
    };
    if !complete || matches!(error, DecodeErrors::ExhaustedData) {
        return Err(DecodeError::Truncated);
    }
    match attempt(bytes, None, exif, false, Vec::new()) {
        Ok(Picture { pixels, .. }) => Ok(damaged(pixels, one_line(&format!("{error:?}")))),
        Err(Failure::Final(error)) => Err(error),
        Err(Failure::Decoder(_)) => Err(DecodeError::broken(format_args!("{error:?}"))),
    }
}

/// Whether an end-of-image marker follows the last scan. Neither marker occurs inside a scan, where
/// a byte ff is followed by a zero; the markers of a thumbnail come before the scan of the image.
fn has_end(bytes: &[u8]) -> bool {
    // Backwards, because the last two bytes are nearly always the marker.
    let markers = memchr::memrchr_iter(0xff, bytes).filter_map(|i| bytes.get(i + 1));
    let mut markers = markers.filter(|&&marker| marker == 0xd9 || marker == 0xda);
    markers.next() == Some(&0xd9) && markers.any(|&marker| marker == 0xda)
}

enum Failure {
    /// No other mode would help.
    Final(DecodeError),
    Decoder(DecodeErrors),
}

impl From<DecodeErrors> for Failure {
    fn from(error: DecodeErrors) -> Self {
        Self::Decoder(error)
    }
}

/// Decodes a JPEG in one mode: at a fraction of its size where `size` is given and small enough.
fn attempt(
    bytes: &[u8],
    size: Option<usize>,
    exif: Exif,
    strict: bool,
    mut buffer: Vec<u8>,
) -> Result<Picture, Failure> {
    // The sides are limited by their product, below: a strip of 1 × 65,500 pixels is small.
    let side = usize::from(u16::MAX);
    let options = DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(Bytes::new(bytes), options);
    decoder.decode_headers()?;
    let (width, height) = decoder.dimensions().unwrap_or((0, 0));
    check_size(height, width).map_err(Failure::Final)?;
    let colours = decoder.input_colorspace();
    let scalable = matches!(colours, Some(ColorSpace::YCbCr | ColorSpace::Luma));
    // An image whose last row and column are fractions of a pixel would be shifted by a rotation.
    let rotated = exif == Exif::Apply && decoder.exif().is_some();
    let factor = size.map_or(1, |size| scaled::factor(height.min(width), size));
    if factor > 1
        && scalable
        && !rotated
        && let Ok(pixels) = scaled::decode(bytes, height, width, factor)
    {
        return Ok(Picture { pixels, sides: [height, width], factor });
    }
    let pixels = if scalable && has_separate_scans(bytes) == Some(true) {
        scaled::decode(bytes, height, width, 1).map_err(Failure::Final)?
    } else if colours == Some(ColorSpace::Luma) {
        // The conversion from grey to RGB in zune-jpeg is several times slower than this one.
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
        let data = decoder.decode()?.into_iter().flat_map(|v| [v; 3]).collect();
        Pixels::new(height, width, data)
    } else {
        buffer.resize(decoder.output_buffer_size().unwrap_or(0), 0);
        decoder.decode_into(&mut buffer)?;
        Pixels::new(height, width, buffer)
    };
    Ok(Picture::whole(upright(pixels, exif, decoder.exif().map(Vec::as_slice))))
}
