//! JPEG files: ordinary, rare and damaged ones.
//!
//! The structure of a file decides everything before a decoder starts. An ordinary picture is
//! decoded by zune-jpeg, which is fast. Where its markers or this decoder say that something is
//! wrong, or where it is of a family that this decoder makes wrong, that of `coefficients` makes
//! the picture, and says what is missing.

pub(crate) mod bytes;
mod coefficients;
mod frame;
mod full;
mod rebuilt;
mod scan;
mod structure;
mod tables;

use super::error::{DecodeError, Result};
use super::exif::{Exif, is_turned, upright};
use super::limits::Limits;
use super::pixels::Pixels;
use frame::Component;
use rebuilt::rebuild;
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

/// Decodes a JPEG in its own size.
pub(super) fn decode(
    bytes: &[u8],
    exif: Exif,
    limits: Limits,
    memory: &mut Memory,
) -> Result<Pixels> {
    let jpeg = JpegStructure::parse(bytes).map_err(|error| mangled(bytes, error))?;
    limits.check_size(jpeg.frame.height, jpeg.frame.width)?;
    limits.check_work(jpeg.work())?;
    let (samples, pixels) = (jpeg.samples(), jpeg.frame.height * jpeg.frame.width * 3);
    // The file and what is rebuilt of it; a picture that is turned is there twice at the end.
    let (files, end) = (bytes.len() * 2, pixels * if is_turned(exif, jpeg.exif) { 2 } else { 1 });
    let check_memory = |needed: usize| limits.check_memory(files + needed.max(end));
    if jpeg.looks_whole() && is_ordinary(&jpeg) {
        // Of a progressive picture, zune-jpeg keeps all coefficients, of two bytes each.
        let kept = if jpeg.frame.is_progressive() { samples * 2 } else { 0 };
        if check_memory(kept + pixels).is_ok()
            && let Ok(pixels) = ordinary(&jpeg, memory)
        {
            return Ok(upright(pixels, exif, jpeg.exif));
        }
    }
    // The coefficients become samples, and then the samples pixels.
    check_memory((samples * 3).max(samples + pixels))?;
    let (data, damage) = coefficients::decode(&jpeg).map_err(|error| mangled(bytes, error))?;
    if damage.is_some() && is_mangled(bytes) {
        return Err(mangled(bytes, DecodeError::broken("")));
    }
    let pixels = Pixels { damage, ..Pixels::new(jpeg.frame.height, jpeg.frame.width, data) };
    Ok(upright(pixels, exif, jpeg.exif))
}

/// Whether zune-jpeg makes pictures of this kind right: in one scan or progressive, with luma at
/// least as fine as chroma, by factors of two, and black as fine as luma.
fn is_ordinary(jpeg: &JpegStructure<'_>) -> bool {
    let components = &jpeg.frame.components;
    let sampling: Vec<_> = components.iter().map(|c: &Component| (c.h, c.v)).collect();
    let known = match sampling[..] {
        [_] => true,
        [(h, v), (1, 1), (1, 1)] => h != 3 && v != 3,
        [luma, (1, 1), (1, 1), black] => luma == black && [(1, 1), (2, 2)].contains(&luma),
        _ => false,
    };
    known && !jpeg.has_separate_scans()
}

/// Decodes a picture whose structure speaks for a whole, ordinary one. An error means that it is
/// not.
fn ordinary(jpeg: &JpegStructure<'_>, memory: &mut Memory) -> Result<Pixels> {
    // The first scan of a rebuilt progressive picture has no guard.
    if jpeg.frame.is_progressive() && !coefficients::first_scan_is_whole(jpeg) {
        return Err(DecodeError::broken("its first scan is not whole"));
    }
    rebuild(jpeg, &mut memory.rebuilt);
    full::decode(jpeg, &memory.rebuilt, std::mem::take(&mut memory.pixels))
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
