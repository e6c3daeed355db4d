//! Bytes of an image file to square RGB pixels: the one road of preparation and prediction.
//!
//! Decode, resize the shorter side to `size` (area average when shrinking, cubic when enlarging),
//! crop the centre: what the authors' make-data did with OpenCV. Greyscale becomes RGB, CMYK is
//! converted, alpha is dropped, 16 bits become 8, colour profiles are ignored, and so is EXIF orientation by default.
//! A JPEG of at least four times the size is halved or quartered while it is decoded, then resized.

pub(crate) mod bytes;
mod scaled;
pub(crate) mod scans;
mod square;

use crate::DecodeError;
use crate::manifest::MAX_SIDE;
use bytes::Bytes;
use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Limits, RgbImage};
use serde::{Deserialize, Serialize};
use square::Squarer;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

/// The most pixels an image may have before it is decoded: 100 million, 300 MB as RGB. The
/// largest image of ImageNet has about 61 million.
pub const MAX_PIXELS: usize = 100_000_000;

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// height × width × 3 bytes: rows first, then columns, then R, G, B.
    pub data: Vec<u8>,
    /// What was wrong with the file, where the decoder got through it all the same.
    pub damage: Option<String>,
}

/// What becomes of the orientation that a camera noted in a picture's EXIF data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exif {
    /// The pixels are taken as they lie in the file, as the authors did.
    #[default]
    Ignore,
    /// The picture is turned upright first.
    Apply,
}

/// Decodes the bytes of a JPEG or PNG file (told by content, not by name) to `size` × `size` RGB;
/// EXIF orientation is ignored. For many files, a [`Decoder`] uses its memory again.
///
/// A file that ends early is refused. A JPEG with a fault inside its scan (a flipped bit) is
/// decoded as far as it goes, and [`Pixels::damage`] says so.
///
/// # Errors
/// [`DecodeError`]: no such format, too many pixels, truncated, broken. Never a panic.
pub fn decode(bytes: &[u8], size: usize) -> Result<Pixels, DecodeError> {
    Decoder::new(size, Exif::Ignore).decode(bytes)
}

/// As [`decode`], with EXIF orientation ignored or applied.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_with(bytes: &[u8], size: usize, exif: Exif) -> Result<Pixels, DecodeError> {
    Decoder::new(size, exif).decode(bytes)
}

/// Decodes one image after the other, with memory that is used again: each as [`decode`] would.
pub struct Decoder {
    size: usize,
    exif: Exif,
    /// What was the last picture, before it was made square.
    buffer: Vec<u8>,
    squarer: Squarer,
}

/// The most bytes that wait for the next picture: those of 5 million pixels, which few pictures have.
const KEPT: usize = 16 << 20;

impl Decoder {
    /// For pictures of `size` × `size` pixels, from 1 to 65,500; another size is an error at each image.
    pub fn new(size: usize, exif: Exif) -> Self {
        Self { size, exif, buffer: Vec::new(), squarer: Squarer::new() }
    }

    /// The side of the pictures it makes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The image in these bytes.
    ///
    /// # Errors
    /// Those of [`decode`].
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Pixels, DecodeError> {
        let Self { size, exif, .. } = *self;
        if size == 0 || size > MAX_SIDE {
            return Err(DecodeError::Size { size, limit: MAX_SIDE });
        }
        // Decoders parse hostile bytes, and both have panicked in past releases; a panic there is
        // one bad image, not the end of a job over a million. What the closure may have left half
        // changed is not used afterwards.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let picture = decode_full(bytes, size, exif, std::mem::take(&mut self.buffer))?;
            let data = self.squarer.square(&picture, size)?;
            let Pixels { data: buffer, damage, .. } = picture.pixels;
            self.buffer = if buffer.capacity() > KEPT { Vec::new() } else { buffer };
            Ok(Pixels { height: size, width: size, data, damage })
        }));
        result.unwrap_or_else(|_| {
            *self = Self::new(size, exif);
            Err(broken("the decoder panicked"))
        })
    }
}

/// A picture before it is made square.
struct Picture {
    pixels: Pixels,
    /// Its own height and width, of which `pixels` has one over `factor`, rounded up.
    sides: [usize; 2],
    factor: usize,
}

impl Picture {
    fn whole(pixels: Pixels) -> Self {
        Self { sides: [pixels.height, pixels.width], pixels, factor: 1 }
    }
}

/// The whole picture, in its own size or (a JPEG much larger than `size`) a fraction of it; perhaps in
/// the memory of `buffer`, whatever that holds.
fn decode_full(
    bytes: &[u8],
    size: usize,
    exif: Exif,
    buffer: Vec<u8>,
) -> Result<Picture, DecodeError> {
    match bytes {
        [0xff, 0xd8, ..] => jpeg(bytes, size, exif, buffer),
        [0x89, b'P', b'N', b'G', ..] => png(bytes, exif).map(Picture::whole),
        _ => {
            let start: Vec<_> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
            let start = if start.is_empty() { "nothing".into() } else { start.join(" ") };
            Err(DecodeError::Format { start })
        }
    }
}

fn jpeg(bytes: &[u8], size: usize, exif: Exif, buffer: Vec<u8>) -> Result<Picture, DecodeError> {
    // Strict first: the lenient mode paints grey over whatever it could not read and calls it
    // success. And the end must be there: in the last row of blocks even the strict mode takes
    // missing bytes for zeros.
    let whole = has_end(bytes);
    let damaged = |pixels, damage| Picture::whole(Pixels { damage: Some(damage), ..pixels });
    // Scaled only where nothing at all is wrong: the other decoder has the words for the rest.
    // And only there may pixels lie in the old ones' memory: none is left as it was.
    let buffer = if whole { buffer } else { Vec::new() };
    let error = match jpeg_as(bytes, whole.then_some(size), exif, true, buffer) {
        Ok(picture) if whole => return Ok(picture),
        Ok(Picture { pixels, .. }) => {
            let damage = "no end-of-image marker: the last rows may be missing";
            return Ok(damaged(pixels, damage.into()));
        }
        Err(JpegError::Final(error)) => return Err(error),
        Err(JpegError::Decoder(error)) => error,
    };
    if !whole || matches!(error, DecodeErrors::ExhaustedData) {
        return Err(DecodeError::Truncated);
    }
    match jpeg_as(bytes, None, exif, false, Vec::new()) {
        Ok(Picture { pixels, .. }) => Ok(damaged(pixels, one_line(&format!("{error:?}")))),
        Err(JpegError::Final(error)) => Err(error),
        Err(JpegError::Decoder(_)) => Err(broken(&format!("{error:?}"))),
    }
}

/// Whether an end-of-image marker follows the last scan. (Neither marker occurs inside a scan: a
/// byte ff is followed by a zero there. A thumbnail's markers come before the scan of the picture.)
fn has_end(bytes: &[u8]) -> bool {
    // Backwards: nearly always the last two bytes are the marker, and the scan lies before it.
    let markers = memchr::memrchr_iter(0xff, bytes).filter_map(|i| bytes.get(i + 1));
    let mut markers = markers.filter(|&&marker| marker == 0xd9 || marker == 0xda);
    markers.next() == Some(&0xd9) && markers.any(|&marker| marker == 0xda)
}

enum JpegError {
    /// Nothing else is to be tried.
    Final(DecodeError),
    Decoder(DecodeErrors),
}

impl From<DecodeErrors> for JpegError {
    fn from(error: DecodeErrors) -> Self {
        Self::Decoder(error)
    }
}

/// Decodes a JPEG: at a fraction of its size where `size` is given and small enough for that.
fn jpeg_as(
    bytes: &[u8],
    size: Option<usize>,
    exif: Exif,
    strict: bool,
    mut buffer: Vec<u8>,
) -> Result<Picture, JpegError> {
    // Sides are limited by their product, below: a strip of 1 × 65,500 is small.
    let side = usize::from(u16::MAX);
    let options = DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(Bytes::new(bytes), options);
    decoder.decode_headers()?;
    let (width, height) = decoder.dimensions().unwrap_or((0, 0));
    check_size(height, width).map_err(JpegError::Final)?;
    let colours = decoder.input_colorspace();
    let known = matches!(colours, Some(ColorSpace::YCbCr | ColorSpace::Luma));
    // Turning a picture whose last row and column are fractions would shift it.
    let turned = exif == Exif::Apply && decoder.exif().is_some();
    let factor = size.map_or(1, |size| scaled::factor(height.min(width), size));
    if factor > 1
        && known
        && !turned
        && let Ok(pixels) = scaled::decode(bytes, height, width, factor)
    {
        return Ok(Picture { pixels, sides: [height, width], factor });
    }
    if known && scans::apart(bytes) {
        let pixels = scaled::decode(bytes, height, width, 1).map_err(JpegError::Final)?;
        let chunk = decoder.exif().map(Vec::as_slice);
        return Ok(Picture::whole(upright(pixels, exif, chunk)));
    }
    let data = if colours == Some(ColorSpace::Luma) {
        // The decoder's own grey to RGB is several times slower than ours.
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
        decoder.decode()?.into_iter().flat_map(|v| [v; 3]).collect()
    } else {
        buffer.resize(decoder.output_buffer_size().unwrap_or(0), 0);
        decoder.decode_into(&mut buffer)?;
        buffer
    };
    let pixels = Pixels { height, width, data, damage: None };
    Ok(Picture::whole(upright(pixels, exif, decoder.exif().map(Vec::as_slice))))
}

/// Turns a picture as its EXIF data say, where they are to be honoured and say anything sensible.
fn upright(pixels: Pixels, exif: Exif, chunk: Option<&[u8]>) -> Pixels {
    let chunk = chunk.filter(|_| exif == Exif::Apply);
    let Some(orientation) = chunk.and_then(Orientation::from_exif_chunk) else { return pixels };
    let Pixels { height, width, data, damage } = pixels;
    match RgbImage::from_raw(width as u32, height as u32, data) {
        Some(image) => {
            let mut image = DynamicImage::ImageRgb8(image);
            image.apply_orientation(orientation);
            let (height, width) = (image.height() as usize, image.width() as usize);
            Pixels { height, width, data: image.into_rgb8().into_raw(), damage }
        }
        // Another number of pixels than the header says: `square` has the words for it.
        None => Pixels { height, width, data: Vec::new(), damage },
    }
}

fn png(bytes: &[u8], exif: Exif) -> Result<Pixels, DecodeError> {
    let fail = |e: image::ImageError| broken(&e.to_string());
    let mut limits = Limits::default();
    // 16-bit RGBA of the largest picture; text chunks that inflate without end stop here too.
    limits.max_alloc = Some(MAX_PIXELS as u64 * 8);
    let mut decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(fail)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(height, width)?;
    let chunk = if exif == Exif::Apply { decoder.exif_metadata().map_err(fail)? } else { None };
    let picture = DynamicImage::from_decoder(decoder).map_err(fail)?;
    let pixels = Pixels { height, width, data: picture.into_rgb8().into_raw(), damage: None };
    Ok(upright(pixels, exif, chunk.as_deref()))
}

fn check_size(height: usize, width: usize) -> Result<(), DecodeError> {
    if height == 0 || width == 0 {
        return Err(broken(&format!("{height}×{width} pixels")));
    }
    if height.saturating_mul(width) > MAX_PIXELS {
        return Err(DecodeError::TooLarge { height, width, limit: MAX_PIXELS });
    }
    Ok(())
}

fn broken(reason: &str) -> DecodeError {
    DecodeError::Broken { reason: one_line(reason) }
}

/// Decoders' messages have line breaks and quotes; a report line has neither.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_matches('"').into()
}
