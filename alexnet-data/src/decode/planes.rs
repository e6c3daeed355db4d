//! A JPEG whose planes are resized before they become RGB: the road of nearly every photograph.
//!
//! Files store brightness (Y) and two planes of colour (Cb, Cr), mostly at half the resolution. Each plane
//! is resized vertically as it lies in the file; only what is left is brought to the same width and becomes
//! RGB, which is then resized horizontally. Neither the full colour planes nor the full RGB are ever made.
//!
//! A JPEG of at least four times the size is decoded at a half or a quarter of its own: the inverse transform
//! of a block of 8 × 8 then makes 4 × 4 or 2 × 2 pixels of it, from its lowest frequencies. At least twice the
//! size is left to the resizing, because what a block's lowest frequencies make is no average: straight to
//! the size, photographs of ImageNet came out 4 to 5 units of 255 off in the mean, half of that with the
//! rest averaged.

mod rgb;

use super::crop::Window;
use super::{Exif, MAX_PIXELS, Picture, Pixels};
use crate::DecodeError;
use fast_image_resize::pixels::{U8, U8x4};
use libjpeg_turbo_rs::{ColorSpace, DecodeLimits, Decoder, PixelFormat, RawImage, ScalingFactor};
use std::cell::RefCell;

/// Photographs have a dozen scans at most; a file of thousands is there to take time.
const MAX_SCANS: usize = 64;
/// How many times the size is left to the resizing of a scaled picture.
const LEFT: usize = 2;
/// Below this size an image has too few blocks for their edges not to matter.
const MIN_SIZE: usize = 8;

/// What became of a file.
pub(super) enum Outcome {
    Done(Result<Pixels, DecodeError>),
    /// Another kind of file: other colours, or an odd resolution of them.
    Other,
    /// Something is wrong with it.
    Wrong(String),
}

/// The square of a JPEG with planes Y or Y, Cb, Cr, in the usual resolutions and with nothing wrong.
pub(super) fn decode(bytes: &[u8], size: usize, exif: Exif) -> Outcome {
    attempt(bytes, size, exif).unwrap_or(Outcome::Other)
}

fn attempt(bytes: &[u8], size: usize, exif: Exif) -> Option<Outcome> {
    let limits =
        DecodeLimits { max_pixels: MAX_PIXELS as u64, max_scans: MAX_SCANS, ..Default::default() };
    let mut decoder = Decoder::new_with_limits(bytes, limits).ok()?;
    let frame = decoder.header();
    let plain = frame.precision == 8 && !frame.is_lossless && !decoder.is_arithmetic();
    // Turning a picture whose last row and column are fractions would shift it.
    let turned = exif == Exif::Apply && decoder.exif_orientation().is_some();
    let sampling: Vec<_> = frame
        .components
        .iter()
        .map(|c| [c.vertical_sampling, c.horizontal_sampling].map(usize::from))
        .collect();
    // How many rows and columns of the picture share a row and a column of Cb and Cr.
    let shared = match sampling[..] {
        [_] => Some([1, 1]),
        [y, cb, cr] if cb == cr && decoder.jpeg_color_space() == ColorSpace::YCbCr => [1, 2]
            .into_iter()
            .flat_map(|v| [[v, 1], [v, 2]])
            .find(|[v, h]| y == [v * cb[0], h * cb[1]]),
        _ => None,
    };
    if !plain || turned {
        return None;
    }
    let (shared, sides) = (shared?, [frame.height(), frame.width()]);
    let factor = factor(sides[0].min(sides[1]), size);
    if factor > 1 {
        decoder.set_scale(ScalingFactor::try_new(1, factor as u32).ok()?);
        decoder.set_output_format(PixelFormat::Rgb);
        let small = match decoder.decode_image() {
            Ok(small) if small.warnings.is_empty() => small,
            Ok(_) => return None,
            Err(error) => return Some(Outcome::Wrong(super::one_line(&error.to_string()))),
        };
        let (height, width, data) = (small.height, small.width, small.data);
        let same = [height, width] == sides.map(|side| side.div_ceil(factor));
        let pixels = Pixels { height, width, data, damage: None };
        let picture = Picture { pixels, sides, factor };
        return same.then(|| Outcome::Done(super::square(picture, size)));
    }
    match decoder.decode_raw_with_warnings() {
        Ok((raw, warnings)) => {
            warnings.is_empty().then(|| Outcome::Done(square(&raw, shared, size)))
        }
        Err(error) => Some(Outcome::Wrong(super::one_line(&error.to_string()))),
    }
}

/// One over the scale to decode a picture at, whose shorter side is `short`: 4, 2, or 1 for all of it.
fn factor(short: usize, size: usize) -> usize {
    let enough = |factor: &usize| size >= MIN_SIZE && short / factor >= LEFT * size;
    [4, 2].into_iter().find(enough).unwrap_or(1)
}

/// What lies between planes and pixels, kept for the next picture: fresh memory costs more than the sums.
#[derive(Default)]
struct Scratch {
    planes: [Vec<u8>; 3],
    wide: Vec<u8>,
    square: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The first `n` values of a buffer, whatever they are.
fn room(buffer: &mut Vec<u8>, n: usize) -> &mut [u8] {
    if buffer.len() < n {
        buffer.resize(n, 0);
    }
    &mut buffer[..n]
}

fn square(raw: &RawImage, shared: [usize; 2], size: usize) -> Result<Pixels, DecodeError> {
    let window = Window::new([raw.height, raw.width], size);
    // A column of colour has two of brightness, so the first one that is taken is an even one.
    let columns = window.reach(1);
    let columns = columns.start & !1..columns.end;
    let part = window.part(1, 1.0, raw.width).of(&columns);
    let data = SCRATCH.with_borrow_mut(|Scratch { planes, wide, square }| {
        let mut rows = Vec::with_capacity(3);
        for (i, (plane, out)) in raw.planes.iter().zip(planes).enumerate() {
            let [v, h] = if i == 0 { [1, 1] } else { shared };
            let part = window.part(0, 1.0 / v as f64, raw.height.div_ceil(v));
            let stored = [raw.plane_heights[i], raw.plane_widths[i]];
            let columns = columns.start / h..columns.end.div_ceil(h);
            let out = room(out, size * columns.len());
            window.resize_rows::<U8>(plane, stored, part, columns, out)?;
            rows.push(&*out);
        }
        match rows[..] {
            [y, cb, cr] => {
                let wide = room(wide, y.len() * 4);
                rgb::convert(y, [cb, cr], columns.len(), shared[1], wide);
                let square = room(square, size * size * 4);
                window.resize_columns::<U8x4>(wide, part, square)?;
                Ok(rgb::pack(square))
            }
            [grey] => {
                let square = room(square, size * size);
                window.resize_columns::<U8>(grey, part, square)?;
                Ok(square.iter().flat_map(|&v| [v; 3]).collect())
            }
            _ => Err(super::broken("neither one plane nor three")),
        }
    })?;
    Ok(Pixels { height: size, width: size, data, damage: None })
}
