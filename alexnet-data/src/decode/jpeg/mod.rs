//! JPEG files: ordinary ones, large ones that are scaled while they are decoded, rare and damaged
//! ones.
//!
//! The structure of a file decides everything before a decoder starts. An ordinary picture is
//! decoded by zune-jpeg, or scaled by jpeg-decoder, both of which are fast. Where its markers or
//! these decoders say that something is wrong, or where it is of a family that they make wrong, the
//! decoder of `coefficients` makes the picture, and says what is missing.

pub(crate) mod bytes;
mod coefficients;
mod frame;
mod full;
mod rebuilt;
mod scaled;
mod scan;
mod structure;
mod tables;

use super::error::{DecodeError, Result};
use super::exif::{Exif, is_turned, upright};
use super::limits::Limits;
use super::pixels::Pixels;
use super::square::Picture;
use frame::{Colours, Component, Frame};
use rebuilt::{For, rebuild};
use structure::JpegStructure;

/// Memory that is used for one picture after another.
#[derive(Default)]
pub(super) struct Memory {
    /// The pixels of the previous picture.
    pixels: Vec<u8>,
    rebuilt: Vec<u8>,
}

impl Memory {
    /// Keeps the memory of a picture for the next one, if it is of at most `most` bytes.
    pub(super) fn keep(&mut self, pixels: Vec<u8>, most: usize) {
        self.pixels = pixels;
        for memory in [&mut self.pixels, &mut self.rebuilt] {
            if memory.capacity() > most {
                *memory = Vec::new();
            }
        }
    }
}

/// Decodes a JPEG in its own size or, where it is much larger than `size`, at a fraction of it.
pub(super) fn decode(
    bytes: &[u8],
    size: usize,
    exif: Exif,
    limits: Limits,
    memory: &mut Memory,
) -> Result<Picture> {
    let jpeg = JpegStructure::parse(bytes).map_err(|error| mangled(bytes, error))?;
    limits.check_size(jpeg.frame.height, jpeg.frame.width)?;
    limits.check_work(jpeg.work())?;
    if jpeg.looks_whole() && is_ordinary(&jpeg.frame) {
        match ordinary(&jpeg, bytes.len() * 2, size, exif, limits, memory) {
            Err(error) if !matches!(error, DecodeError::Limit { .. }) => {}
            result => return result,
        }
    }
    // The coefficients take two bytes each.
    limits.check_memory(bytes.len() * 2 + jpeg.samples() * 2 + pixel_bytes(&jpeg, exif, 1))?;
    let (data, damage) = coefficients::decode(&jpeg).map_err(|error| mangled(bytes, error))?;
    if damage.is_some() && is_mangled(bytes) {
        return Err(mangled(bytes, DecodeError::broken("")));
    }
    let pixels = Pixels { damage, ..Pixels::new(jpeg.frame.height, jpeg.frame.width, data) };
    Ok(Picture::whole(upright(pixels, exif, jpeg.exif)))
}

/// Whether both decoders of ordinary pictures make frames of this sampling right: luma at least as
/// fine as chroma, by factors of two, and black as fine as luma.
fn is_ordinary(frame: &Frame) -> bool {
    let sampling: Vec<_> = frame.components.iter().map(|c: &Component| (c.h, c.v)).collect();
    match sampling[..] {
        [_] => true,
        [(h, v), (1, 1), (1, 1)] => h != 3 && v != 3,
        [luma, (1, 1), (1, 1), black] => luma == black && [(1, 1), (2, 2)].contains(&luma),
        _ => false,
    }
}

/// The bytes of the decoded picture at one over `factor` of its size, and of its turned copy.
fn pixel_bytes(jpeg: &JpegStructure<'_>, exif: Exif, factor: usize) -> usize {
    let copies = if is_turned(exif, jpeg.exif) { 2 } else { 1 };
    jpeg.frame.height.div_ceil(factor) * jpeg.frame.width.div_ceil(factor) * 3 * copies
}

/// Decodes a picture whose structure speaks for a whole, ordinary one; the file and what is rebuilt
/// of it take `files` bytes. An error means that it is not, or that it takes too much memory.
fn ordinary(
    jpeg: &JpegStructure<'_>,
    files: usize,
    size: usize,
    exif: Exif,
    limits: Limits,
    memory: &mut Memory,
) -> Result<Picture> {
    let (height, width) = (jpeg.frame.height, jpeg.frame.width);
    let Memory { pixels, rebuilt } = memory;
    // The coefficients of a progressive picture are all kept, and take two bytes each.
    let kept = files + if jpeg.frame.is_progressive() { jpeg.samples() * 2 } else { 0 };
    let scalable = matches!(jpeg.colours, Colours::YCbCr | Colours::Grey);
    // jpeg-decoder enlarges chroma by four with an error of up to 4 of 255.
    let (h, v) = jpeg.frame.most();
    let by_four = jpeg.frame.components.len() > 1 && h.max(v) == 4;
    // An image whose last row and column are fractions of a pixel would be shifted by a rotation.
    let rotated = exif == Exif::Apply && jpeg.exif.is_some();
    let factor = scaled::factor(height.min(width), size);
    if factor > 1 && scalable && !by_four && !rotated {
        rebuild(jpeg, For::JpegDecoder, rebuilt);
        limits.check_memory(kept + pixel_bytes(jpeg, exif, factor) * 2)?;
        if let Ok(pixels) = scaled::decode(rebuilt, height, width, factor) {
            return Ok(Picture { pixels, sides: [height, width], factor });
        }
    }
    limits.check_memory(kept + pixel_bytes(jpeg, exif, 1))?;
    let pixels = if jpeg.has_separate_scans() {
        if !scalable {
            return Err(DecodeError::broken("separate scans of these colours"));
        }
        rebuild(jpeg, For::JpegDecoder, rebuilt);
        scaled::decode(rebuilt, height, width, 1)?
    } else {
        // Rebuilt for zune-jpeg, the first scan of a progressive picture has no guard.
        if jpeg.frame.is_progressive() && !coefficients::first_scan_is_whole(jpeg) {
            return Err(DecodeError::broken("its first scan is not whole"));
        }
        rebuild(jpeg, For::Zune, rebuilt);
        full::decode(jpeg, rebuilt, std::mem::take(pixels))?
    };
    Ok(Picture::whole(upright(pixels, exif, jpeg.exif)))
}

/// Whether a conversion of line ends went over these bytes: every line feed follows a carriage
/// return, which chance would do to one of 256.
fn is_mangled(bytes: &[u8]) -> bool {
    let mut feeds = memchr::memchr_iter(b'\n', bytes).peekable();
    let enough = memchr::memchr_iter(b'\n', bytes).take(8).count() == 8;
    enough && feeds.all(|at| at > 0 && bytes[at - 1] == b'\r')
}

/// The reason why a file cannot be decoded: that it was mangled, if it was.
fn mangled(bytes: &[u8], error: DecodeError) -> DecodeError {
    if is_mangled(bytes) {
        return DecodeError::broken("mangled by a conversion of line ends: copy it as binary");
    }
    error
}

/// Whether the components of a sequential JPEG are in several scans; `None` where it cannot be read
/// so far. zune-jpeg 0.5 makes a wrong image of such a JPEG in 4:2:0, without an error.
pub(crate) fn has_separate_scans(bytes: &[u8]) -> Option<bool> {
    JpegStructure::parse(bytes).ok().map(|jpeg| jpeg.has_separate_scans())
}
