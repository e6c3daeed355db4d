//! Decodes image files to square RGB images, for preparation and prediction alike.
//!
//! Unless another way is asked for, the shorter side is resized to `size` (by averaging areas when
//! it shrinks, by cubic interpolation when it grows) and the centre is cropped, as the authors'
//! make-data did with OpenCV. Grey becomes RGB, CMYK is converted, alpha is dropped and 16 bits
//! become 8. Colour profiles are ignored, and so is EXIF orientation unless it is requested.
//!
//! What an image would take is held against its limits before it is decoded.

pub(crate) mod error;
pub(crate) mod exif;
pub(crate) mod jpeg;
pub(crate) mod kind;
pub(crate) mod limits;
pub(crate) mod pixels;
mod raster;
pub(crate) mod resample;
pub(crate) mod square;
pub(crate) mod thumbnail;

use crate::header::MAX_SIDE;
use error::{DecodeError, Result};
use exif::Exif;
use jpeg::Memory;
use kind::Kind;
use limits::Limits;
use pixels::Pixels;
use resample::Resample;
use square::{Crop, Squarer};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Decodes the bytes of a JPEG, PNG, BMP, GIF (its first frame), WebP or TIFF file, recognised by
/// its content, to `size` × `size` RGB. EXIF orientation is ignored; a [`Decoder`] can apply it,
/// and reuses its memory for many files.
///
/// A file that ends early is refused. A JPEG with faults inside (a flipped bit, data that stop
/// before the end marker) is decoded as far as possible, and [`Pixels::damage`] says what is wrong.
///
/// # Errors
/// [`DecodeError`]: an unknown format, too much to decode, a truncated or a broken file. Hostile
/// bytes cause no panic.
///
/// ```
/// let error = alexnet_data::decode(b"PK\x03\x04", 256).unwrap_err();
/// assert_eq!(error.to_string(), "no image that this program knows: starts with 50 4b 03 04");
/// ```
pub fn decode(bytes: &[u8], size: usize) -> Result<Pixels, DecodeError> {
    Decoder::new(size, Exif::Ignore).decode(bytes)
}

/// Decodes one image after another like [`decode`], and reuses its memory.
pub struct Decoder {
    size: usize,
    exif: Exif,
    resize: (Resample, Crop),
    limits: Limits,
    /// The memory of the previous image before it was made square.
    memory: Memory,
    squarer: Squarer,
}

/// The most bytes that are kept for the next image: 5 million pixels, which few images exceed.
const KEPT: usize = 16 << 20;

impl Decoder {
    /// For images of `size` × `size` pixels, 1 to 4096; any other size is an error of each image.
    pub fn new(size: usize, exif: Exif) -> Self {
        let (limits, memory) = (Limits::default(), Memory::default());
        let resize = (Resample::default(), Crop::default());
        Self { size, exif, resize, limits, memory, squarer: Squarer::new() }
    }

    /// The same with another way to resize and crop.
    pub fn with_resize(self, resample: Resample, crop: Crop) -> Self {
        Self { resize: (resample, crop), ..self }
    }

    /// The same for images of up to so many pixels, instead of
    /// [`MAX_PIXELS`](crate::MAX_PIXELS). Memory and time of an image are limited in proportion.
    pub fn with_max_pixels(self, pixels: usize) -> Self {
        Self { limits: Limits { pixels }, ..self }
    }

    /// Decodes the bytes of one file.
    ///
    /// # Errors
    /// Those of [`decode`].
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Pixels, DecodeError> {
        let Self { size, exif, resize, limits, .. } = *self;
        if size == 0 || size > MAX_SIDE {
            return Err(DecodeError::Size { size, limit: MAX_SIDE });
        }
        self.guarded(|it| {
            let image = decode_whole(bytes, exif, limits, &mut it.memory)?;
            let data = it.squarer.square(&image, size, resize, limits)?;
            it.memory.keep(image.data, KEPT);
            Ok(Pixels { height: size, width: size, data, damage: image.damage })
        })
    }

    /// Decodes the bytes of one file in its own size, to show it beside what [`decode`] makes of
    /// it; upright, if this decoder applies EXIF orientation.
    ///
    /// [`decode`]: Self::decode
    ///
    /// # Errors
    /// Those of [`decode`](crate::decode()).
    pub fn decode_whole(&mut self, bytes: &[u8]) -> Result<Pixels, DecodeError> {
        let Self { exif, limits, .. } = *self;
        self.guarded(|it| decode_whole(bytes, exif, limits, &mut it.memory))
    }

    /// Calls `work`, which decodes.
    ///
    /// The decoders parse hostile bytes, and have panicked in past releases. A panic is one bad
    /// image, and not the end of a preparation of a million; the half-changed state that it may
    /// leave is thrown away.
    fn guarded(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<Pixels, DecodeError>,
    ) -> Result<Pixels, DecodeError> {
        let Self { size, exif, resize, limits, .. } = *self;
        catch_unwind(AssertUnwindSafe(|| work(&mut *self))).unwrap_or_else(|_| {
            *self = Self { resize, limits, ..Self::new(size, exif) };
            Err(DecodeError::broken("the decoder panicked"))
        })
    }

    /// Makes an image that comes as pixels as large as the others, like one that was decoded.
    pub(crate) fn resize(&mut self, image: Pixels) -> Result<Pixels, DecodeError> {
        let Self { size, resize, limits, .. } = *self;
        if [image.height, image.width] == [size, size] {
            return Ok(image);
        }
        let data = self.squarer.square(&image, size, resize, limits)?;
        Ok(Pixels::new(size, size, data))
    }
}

/// Decodes a file in its own size.
fn decode_whole(bytes: &[u8], exif: Exif, limits: Limits, memory: &mut Memory) -> Result<Pixels> {
    match Kind::of(bytes) {
        Some(Kind::Jpeg) => jpeg::decode(bytes, exif, limits, memory),
        Some(kind) => raster::decode(kind, bytes, exif, limits),
        None if bytes.is_empty() => Err(DecodeError::Format { start: "nothing".into() }),
        None => {
            let start: Vec<_> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
            Err(DecodeError::Format { start: start.join(" ") })
        }
    }
}
