//! JPEGs in their own size, by zune-jpeg.

use super::super::error::{DecodeError, Result, one_line};
use super::super::pixels::Pixels;
use super::bytes::{Bytes, Search};
use super::frame::Colours;
use super::rebuilt::is_at_marker;
use super::structure::JpegStructure;
use std::cell::Cell;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Decodes a rebuilt JPEG. An error means that something is wrong with it, or only rare.
pub(super) fn decode(
    jpeg: &JpegStructure<'_>,
    rebuilt: &[u8],
    mut buffer: Vec<u8>,
) -> Result<Pixels> {
    let fail = |error: DecodeErrors| DecodeError::broken(one_line(&format!("{error:?}")));
    // The structure has been held against the limits.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let surprised = Cell::new(false);
    let search = Search { expected: is_at_marker, surprised: &surprised };
    let mut decoder = JpegDecoder::new_with_options(Bytes::watched(rebuilt, search), options);
    decoder.decode_headers().map_err(fail)?;
    let (height, width) = (jpeg.frame.height, jpeg.frame.width);
    let data = if jpeg.colours == Colours::Grey {
        // The conversion from grey to RGB in zune-jpeg is several times slower than this one.
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
        decoder.decode().map_err(fail)?.into_iter().flat_map(|v| [v; 3]).collect()
    } else {
        buffer.resize(decoder.output_buffer_size().unwrap_or(0), 0);
        decoder.decode_into(&mut buffer).map_err(fail)?;
        buffer
    };
    if surprised.get() {
        return Err(DecodeError::broken("bytes that are no part of the picture"));
    }
    Ok(Pixels::new(height, width, data))
}
