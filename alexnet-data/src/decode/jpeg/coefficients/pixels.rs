//! From coefficients to RGB pixels.

use super::super::frame::Colours;
use super::super::structure::JpegStructure;
use super::Plane;
use super::samples::Samples;

/// The pixels of a picture: height × width × 3 bytes.
pub(super) fn of(jpeg: &JpegStructure<'_>, planes: Vec<Plane>) -> Vec<u8> {
    let frame = &jpeg.frame;
    // The coefficients of each component are freed before those of the next are transformed.
    let components = frame.components.iter().zip(planes);
    let samples: Vec<_> = components.map(|(c, plane)| Samples::of(frame, c, plane)).collect();
    let columns = frame.units()[1] * frame.most().0 * 8;
    let mut lines = vec![vec![0; columns]; samples.len()];
    let mut out = vec![0; frame.height * frame.width * 3];
    for (y, pixels) in out.chunks_mut(frame.width * 3).enumerate() {
        for (samples, line) in samples.iter().zip(&mut lines) {
            samples.enlarge(y, line);
        }
        convert(jpeg.colours, &lines, pixels);
    }
    out
}

/// Converts one row of samples to RGB.
fn convert(colours: Colours, lines: &[Vec<u8>], pixels: &mut [u8]) {
    let pixels = pixels.chunks_exact_mut(3).enumerate();
    match (colours, lines) {
        (Colours::Grey, [grey]) => pixels.for_each(|(x, pixel)| pixel.fill(grey[x])),
        (Colours::Rgb, [r, g, b]) => {
            pixels.for_each(|(x, pixel)| pixel.copy_from_slice(&[r[x], g[x], b[x]]));
        }
        (Colours::YCbCr, [y, cb, cr]) => {
            pixels.for_each(|(x, pixel)| pixel.copy_from_slice(&rgb(y[x], cb[x], cr[x])));
        }
        // Adobe's programs store inverted colours, and so does nearly everyone.
        (Colours::Cmyk, [c, m, y, k]) => pixels.for_each(|(x, pixel)| {
            pixel.copy_from_slice(&[c[x], m[x], y[x]].map(|ink| scaled(ink, k[x])));
        }),
        (Colours::Ycck, [y, cb, cr, k]) => pixels.for_each(|(x, pixel)| {
            let inks = rgb(y[x], cb[x], cr[x]).map(|v| 255 - v);
            pixel.copy_from_slice(&inks.map(|ink| scaled(ink, k[x])));
        }),
        _ => {} // `Colours::of` follows from the number of components
    }
}

fn scaled(ink: u8, black: u8) -> u8 {
    ((u32::from(ink) * u32::from(black) + 127) / 255) as u8
}

/// The conversion of JFIF, in 16 fraction bits.
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = ((i32::from(y) << 16) + (1 << 15), i32::from(cb) - 128, i32::from(cr) - 128);
    let all = [y + 91881 * cr, y - 22554 * cb - 46802 * cr, y + 116130 * cb];
    all.map(|v| (v >> 16).clamp(0, 255) as u8)
}
