//! The samples of a component, enlarged to the pixels of the picture.
//!
//! Where a sample covers two pixels across or down, a pixel is three quarters of the nearest sample
//! and a quarter of the next one, rounded as libjpeg does; otherwise samples are repeated.

use super::super::frame::{Component, Frame};
use super::Plane;
use super::inverse::samples;

/// The samples of one component.
pub(super) struct Samples {
    /// Rows of whole blocks.
    data: Vec<u8>,
    stride: usize,
    /// The samples that are part of the picture.
    height: usize,
    width: usize,
    /// The pixels that a sample covers.
    down: usize,
    across: usize,
}

impl Samples {
    /// Those of the component with these coefficients; grey where none of them has come.
    pub(super) fn of(frame: &Frame, component: &Component, plane: Plane) -> Self {
        let Plane { blocks, columns, quantization } = plane;
        let (most_h, most_v) = frame.most();
        let stride = columns * 8;
        let mut data = vec![128; blocks.len() * 64];
        if let Some(quantization) = quantization {
            let rows = blocks.chunks(columns).zip(data.chunks_mut(stride * 8));
            for (blocks, band) in rows {
                for (x, block) in blocks.iter().enumerate() {
                    let block = samples(block, &quantization);
                    for (row, band) in block.chunks_exact(8).zip(band.chunks_mut(stride)) {
                        band[x * 8..][..8].copy_from_slice(row);
                    }
                }
            }
        }
        let (down, across) = (most_v / component.v, most_h / component.h);
        let (height, width) = (frame.height.div_ceil(down), frame.width.div_ceil(across));
        Self { data, stride, height, width, down, across }
    }

    /// A row of samples: the last one in place of those past it.
    fn row(&self, y: usize) -> &[u8] {
        &self.data[y.min(self.height - 1) * self.stride..][..self.width]
    }

    /// Writes the row `y` of pixels; `out` has at least as many as the samples cover.
    pub(super) fn enlarge(&self, y: usize, out: &mut [u8]) {
        let near = self.row(y / self.down);
        // The other row next to this one: above it for the upper pixel, below it for the lower.
        let far = self.row(if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { y / 2 + 1 });
        match (self.down, self.across) {
            (1, 1) => out[..self.width].copy_from_slice(near),
            (2, 1) => {
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                for ((&near, &far), out) in near.iter().zip(far).zip(out) {
                    *out = ((u16::from(near) * 3 + u16::from(far) + bias) >> 2) as u8;
                }
            }
            (1, 2) if self.width > 2 => across([1, 2], 2, |x| u16::from(near[x]), self.width, out),
            (2, 2) if self.width > 2 => {
                let sum = |x: usize| u16::from(near[x]) * 3 + u16::from(far[x]);
                across([8, 7], 4, sum, self.width, out);
            }
            _ => {
                for (out, &sample) in out.chunks_exact_mut(self.across).zip(near) {
                    out.fill(sample);
                }
            }
        }
    }
}

/// Enlarges a row of `width` values by two across: each makes a left and a right pixel, which have
/// their own bias for rounding, and `bits` fraction bits.
fn across(
    [left, right]: [u16; 2],
    bits: u32,
    value: impl Fn(usize) -> u16,
    width: usize,
    out: &mut [u8],
) {
    for (x, pair) in out.chunks_exact_mut(2).take(width).enumerate() {
        let (before, here, after) =
            (value(x.saturating_sub(1)), value(x), value((x + 1).min(width - 1)));
        pair[0] = ((here * 3 + before + left) >> bits) as u8;
        pair[1] = ((here * 3 + after + right) >> bits) as u8;
    }
}
