//! JPEGs of at least four times the size that is wanted, decoded at a half or a quarter of their own.
//!
//! The inverse transform of a block of 8 × 8 then makes 4 × 4 or 2 × 2 pixels of it, from its lowest
//! frequencies. Decoding, colours and resizing cost a quarter of what they would, or less, and so does
//! memory; reading the codes costs the same. At least twice the size is left to the resizing, because
//! what a block's lowest frequencies make is no average: photographs of two to four times the size that were
//! halved came out 4 to 6 units of 255 off in the mean of their differences, single ones 16, and took 5 to
//! 46 % longer, since this decoder reads codes more slowly than the other. (An eighth is left
//! to the resizing altogether: the decoder rounds that one down, and pictures would be darker.)

use super::{Pixels, broken};
use crate::DecodeError;
use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

/// How many times the size is left to the resizing.
const LEFT: usize = 2;
/// Below this size an image has too few blocks for their edges not to matter.
const MIN_SIZE: usize = 8;

/// One over the scale to decode a picture at, whose shorter side is `short`: 4, 2, or 1 for all of it.
pub(super) fn factor(short: usize, size: usize) -> usize {
    let enough = |factor: &usize| size >= MIN_SIZE && short / factor >= LEFT * size;
    [4, 2].into_iter().find(enough).unwrap_or(1)
}

/// The picture at one over `factor` of its size (sides rounded up) as RGB. An error may mean no more
/// than that this decoder is the stricter one.
pub(super) fn decode(
    bytes: &[u8],
    height: usize,
    width: usize,
    factor: usize,
) -> Result<Pixels, DecodeError> {
    let fail = |e: jpeg_decoder::Error| broken(&e.to_string());
    let mut decoder = Decoder::new(bytes);
    // The caller has asked the other decoder: three components are this, whatever markers say.
    decoder.set_color_transform(ColorTransform::YCbCr);
    decoder.read_info().map_err(fail)?;
    let info = decoder.info().ok_or(DecodeError::Truncated)?;
    let grey = match info.pixel_format {
        PixelFormat::L8 => true,
        PixelFormat::RGB24 => false,
        other => return Err(broken(&format!("{other:?} cannot be scaled"))),
    };
    if grey {
        decoder.set_color_transform(ColorTransform::Grayscale);
    }
    let small = (height.div_ceil(factor), width.div_ceil(factor));
    let same = (usize::from(info.height), usize::from(info.width)) == (height, width);
    let (got_width, got_height) = match factor {
        // Asked for the whole of a picture of 1 × N, `scale` would make less of it.
        1 => (info.width, info.height),
        _ => decoder.scale(small.1 as u16, small.0 as u16).map_err(fail)?,
    };
    if !same || (usize::from(got_height), usize::from(got_width)) != small {
        return Err(broken("the decoders do not agree on its size"));
    }
    let data = decoder.decode().map_err(fail)?;
    let data = if grey { data.into_iter().flat_map(|v| [v; 3]).collect() } else { data };
    Ok(Pixels { height: small.0, width: small.1, data, damage: None })
}
