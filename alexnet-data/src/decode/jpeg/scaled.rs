//! JPEGs of at least four times the requested size, decoded at a half or a quarter of their own.
//!
//! From a block of 8 × 8, the inverse transform then makes 4 × 4 or 2 × 2 pixels out of the lowest
//! frequencies. All work after the Huffman codes costs a quarter or less, and so does the memory.
//!
//! The decoded image keeps at least twice the requested size, and resizing does the rest, because
//! the lowest frequencies of a block are not its average. Photographs of two to four times the size
//! that were halved differed by 4 to 6 of 255 in the mean, some by 16; they also took 5 to 46 %
//! longer, because this decoder reads Huffman codes more slowly than zune-jpeg. A scale of an
//! eighth is not used at all: this decoder rounds down there, which makes images darker.

use super::super::error::{DecodeError, Result};
use super::super::pixels::Pixels;
use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

/// How many times the requested size the decoded image keeps.
const KEPT: usize = 2;
/// Below this size an image has so few blocks that their edges matter.
const MIN_SIZE: usize = 8;

/// The divisor of the scale for an image whose shorter side is `short`: 4, 2 or 1.
pub(super) fn factor(short: usize, size: usize) -> usize {
    let enough = |factor: &usize| size >= MIN_SIZE && short / factor >= KEPT * size;
    [4, 2].into_iter().find(enough).unwrap_or(1)
}

/// Decodes an image at one over `factor` of its size, with the sides rounded up. An error may only
/// mean that this decoder is the stricter one.
pub(super) fn decode(bytes: &[u8], height: usize, width: usize, factor: usize) -> Result<Pixels> {
    let fail = |e: jpeg_decoder::Error| DecodeError::broken(e);
    let mut decoder = Decoder::new(bytes);
    // Only Y Cb Cr and grey are scaled, so three components are Y Cb Cr.
    decoder.set_color_transform(ColorTransform::YCbCr);
    decoder.read_info().map_err(fail)?;
    let info = decoder.info().ok_or(DecodeError::Truncated)?;
    let grey = match info.pixel_format {
        PixelFormat::L8 => true,
        PixelFormat::RGB24 => false,
        other => return Err(DecodeError::broken(format_args!("{other:?} cannot be scaled"))),
    };
    if grey {
        decoder.set_color_transform(ColorTransform::Grayscale);
    }
    let small = (height.div_ceil(factor), width.div_ceil(factor));
    let same = (usize::from(info.height), usize::from(info.width)) == (height, width);
    let (got_width, got_height) = match factor {
        // `scale` would make less than the whole of an image of 1 × N.
        1 => (info.width, info.height),
        _ => decoder.scale(small.1 as u16, small.0 as u16).map_err(fail)?,
    };
    if !same || (usize::from(got_height), usize::from(got_width)) != small {
        return Err(DecodeError::broken("the decoders do not agree on its size"));
    }
    let data = decoder.decode().map_err(fail)?;
    let data = if grey { data.into_iter().flat_map(|v| [v; 3]).collect() } else { data };
    Ok(Pixels::new(small.0, small.1, data))
}
