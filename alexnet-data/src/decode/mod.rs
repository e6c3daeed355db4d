//! Decodes image files to square RGB images, for preparation and prediction alike.
//!
//! The shorter side is resized to `size` (by area averaging when it shrinks, by cubic interpolation
//! when it grows) and the centre is cropped, as the authors' make-data did with OpenCV. Grey
//! becomes RGB, CMYK is converted, alpha is dropped and 16 bits become 8. Colour profiles are
//! ignored, and so is EXIF orientation unless it is requested. A JPEG of at least four times the
//! size is decoded at a half or a quarter of its own size, then resized.

pub(crate) mod bytes;
pub(crate) mod error;
pub(crate) mod exif;
mod jpeg;
pub(crate) mod kind;
pub(crate) mod pixels;
mod png;
mod scaled;
pub(crate) mod scans;
mod square;

use crate::header::MAX_SIDE;
use error::{DecodeError, Result};
use exif::Exif;
use kind::Kind;
use pixels::Pixels;
use square::{Picture, Squarer};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Decodes the bytes of a JPEG or PNG file, recognised by its content, to `size` × `size` RGB. EXIF
/// orientation is ignored; a [`Decoder`] can apply it, and reuses its memory for many files.
///
/// A file that ends early is refused. A JPEG with a fault inside its scan (a flipped bit) is
/// decoded as far as possible, and [`Pixels::damage`] describes the fault.
///
/// # Errors
/// [`DecodeError`]: an unknown format, too many pixels, a truncated or a broken file. Hostile bytes
/// cause no panic.
///
/// ```
/// let error = alexnet_data::decode(b"PK\x03\x04", 256).unwrap_err();
/// assert_eq!(error.to_string(), "neither JPEG nor PNG: starts with 50 4b 03 04");
/// ```
pub fn decode(bytes: &[u8], size: usize) -> Result<Pixels, DecodeError> {
    Decoder::new(size, Exif::Ignore).decode(bytes)
}

/// Decodes one image after another like [`decode`], and reuses its memory.
pub struct Decoder {
    size: usize,
    exif: Exif,
    /// The memory of the previous image before it was made square.
    buffer: Vec<u8>,
    squarer: Squarer,
}

/// The most bytes that are kept for the next image: 5 million pixels, which few images exceed.
const KEPT: usize = 16 << 20;

impl Decoder {
    /// For images of `size` × `size` pixels, 1 to 4096; any other size is an error of each image.
    pub fn new(size: usize, exif: Exif) -> Self {
        Self { size, exif, buffer: Vec::new(), squarer: Squarer::new() }
    }

    /// Decodes the bytes of one file.
    ///
    /// # Errors
    /// Those of [`decode`].
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Pixels, DecodeError> {
        let Self { size, exif, .. } = *self;
        if size == 0 || size > MAX_SIDE {
            return Err(DecodeError::Size { size, limit: MAX_SIDE });
        }
        // The decoders parse hostile bytes, and both have panicked in past releases. A panic is one
        // bad image, and not the end of a preparation of a million; the half-changed state that it
        // may leave is thrown away.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let picture = decode_picture(bytes, size, exif, std::mem::take(&mut self.buffer))?;
            let data = self.squarer.square(&picture, size)?;
            let Pixels { data: buffer, damage, .. } = picture.pixels;
            self.buffer = if buffer.capacity() > KEPT { Vec::new() } else { buffer };
            Ok(Pixels { height: size, width: size, data, damage })
        }));
        result.unwrap_or_else(|_| {
            *self = Self::new(size, exif);
            Err(DecodeError::broken("the decoder panicked"))
        })
    }

    /// Makes an image that comes as pixels as large as the others, like one that was decoded.
    pub(crate) fn resize(&mut self, image: Pixels) -> Result<Pixels, DecodeError> {
        let size = self.size;
        if [image.height, image.width] == [size, size] {
            return Ok(image);
        }
        let data = self.squarer.square(&Picture::whole(image), size)?;
        Ok(Pixels::new(size, size, data))
    }
}

/// Decodes a file in its own size, or a JPEG that is much larger than `size` at a fraction of it.
fn decode_picture(bytes: &[u8], size: usize, exif: Exif, buffer: Vec<u8>) -> Result<Picture> {
    match Kind::of(bytes) {
        Some(Kind::Jpeg) => jpeg::decode(bytes, size, exif, buffer),
        Some(Kind::Png) => png::decode(bytes, exif).map(Picture::whole),
        Some(kind) => Err(DecodeError::Unsupported { kind: kind.name() }),
        None if bytes.is_empty() => Err(DecodeError::Format { start: "nothing".into() }),
        None => {
            let start: Vec<_> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
            Err(DecodeError::Format { start: start.join(" ") })
        }
    }
}
