//! col2im: adds the elements of patches to the pixels that they were read from.
//!
//! A patch is what an output pixel sees, (kH, kW, C/groups). im2col would write the patches of an
//! image as the rows of a matrix; col2im is its transpose and takes the gradients of such rows back
//! to the image. In NHWC the part of a kernel row that lies inside the map is contiguous in the
//! patch.

use std::ops::Range;

use super::geometry::Geometry;
use crate::cpu::simd::vectorized;

impl Geometry {
    /// Adds `patches`, (pixels, kH·kW·C/groups), to an image `x`, (H, W, C); `pixels` are the
    /// numbers of the output pixels that see the patches of `group`.
    pub(super) fn col2im(
        &self,
        patches: &[f32],
        pixels: Range<usize>,
        group: usize,
        x: &mut [f32],
    ) {
        vectorized!(for (pixel, patch) in pixels.zip(patches.chunks_exact(self.patch())) {
            self.add_patch(patch, pixel, group, x);
        });
    }

    #[inline(always)]
    fn add_patch(&self, patch: &[f32], pixel: usize, group: usize, x: &mut [f32]) {
        let ((h, w), (kernel_w, channels)) = (self.input, (self.kernel.1, self.group_channels()));
        // The window's first row and column count from the padded corner, so that none is negative.
        let (top, left) =
            (pixel / self.output.1 * self.stride, pixel % self.output.1 * self.stride);
        let map = self.padding.left..self.padding.left + w;
        let columns = left.clamp(map.start, map.end)..(left + kernel_w).clamp(map.start, map.end);
        for (i, row) in patch.chunks_exact(kernel_w * channels).enumerate() {
            let y = (top + i).wrapping_sub(self.padding.top); // beyond any map if above the edge
            if y >= h || columns.is_empty() {
                continue;
            }
            let taps = row[(columns.start - left) * channels..].chunks_exact(channels);
            let x = &mut x[(y * w + columns.start - map.start) * self.channels..];
            for (x, tap) in x.chunks_mut(self.channels).zip(taps.take(columns.len())) {
                let x = &mut x[group * channels..][..channels];
                for (x, tap) in x.iter_mut().zip(tap) {
                    *x += tap;
                }
            }
        }
    }
}
