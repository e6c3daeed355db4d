//! From coefficients to RGB pixels.

use super::super::frame::Colours;
use super::super::structure::JpegStructure;
use super::Plane;
use super::inverse::samples;

/// The pixels of a picture: height × width × 3 bytes. A component that is sampled more coarsely is
/// repeated.
pub(super) fn of(jpeg: &JpegStructure<'_>, planes: &[Plane]) -> Vec<u8> {
    let frame = &jpeg.frame;
    let (most_h, most_v) = frame.most();
    let [rows, columns] = frame.units();
    let mut out = vec![0; frame.height * frame.width * 3];
    // The samples of each component in a row of units, and one row of pixels of each.
    let mut bands: Vec<Vec<u8>> = Vec::new();
    for c in &frame.components {
        bands.push(vec![128; columns * c.h * 8 * c.v * 8]);
    }
    let mut lines = vec![vec![0; columns * most_h * 8]; planes.len()];
    let mut pixel_rows = out.chunks_mut(frame.width * 3);
    for unit_row in 0..rows {
        for ((component, plane), band) in frame.components.iter().zip(planes).zip(&mut bands) {
            let Some(quantization) = &plane.quantization else { continue };
            let (in_row, stride) = (plane.columns, plane.columns * 8);
            let blocks = &plane.blocks[unit_row * component.v * in_row..][..component.v * in_row];
            for (i, block) in blocks.iter().enumerate() {
                let at = i / in_row * 8 * stride + i % in_row * 8;
                for (y, row) in samples(block, quantization).chunks_exact(8).enumerate() {
                    band[at + y * stride..][..8].copy_from_slice(row);
                }
            }
        }
        for y in 0..most_v * 8 {
            let Some(pixels) = pixel_rows.next() else { break };
            for ((component, band), line) in frame.components.iter().zip(&bands).zip(&mut lines) {
                let (stride, repeat) = (columns * component.h * 8, most_h / component.h);
                let samples = &band[y * component.v / most_v * stride..][..stride];
                for (out, &sample) in line.chunks_exact_mut(repeat).zip(samples) {
                    out.fill(sample);
                }
            }
            convert(jpeg.colours, &lines, pixels);
        }
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
