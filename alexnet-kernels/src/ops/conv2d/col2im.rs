//! Patches: what each output pixel sees, as rows of a matrix, added back to where it was seen.
//!
//! Output pixels of a batch are numbered `p = (b·H' + h)·W' + w`, positions in the kernel (taps)
//! `t = i·kW + j`. Row `p` of a patch matrix holds, for each tap, the channels of one group. Since images
//! are channels-last, the taps of one kernel row are neighbours in memory.

use std::ops::Range;

use super::geometry::Geometry;
use crate::cpu::simd::vectorized;

/// Neighbouring taps of one kernel row at one output pixel.
struct Run {
    /// First float in the row of the patch matrix.
    at: usize,
    /// Taps before the left edge of the map, or all of them if the kernel row is outside.
    before: usize,
    /// Taps inside the map, and the pixel of the input batch where the first of them lies.
    inside: usize,
    pixel: usize,
}

impl Geometry {
    /// Calls `f` with each run of `taps` at output pixel `p`.
    #[inline(always)]
    fn runs(&self, p: usize, taps: &Range<usize>, mut f: impl FnMut(Run)) {
        let ((h, w), (out_h, out_w), (_, kernel_w)) = (self.input, self.output, self.kernel);
        let (image, row, column) = (p / (out_h * out_w), p / out_w % out_h, p % out_w);
        // Coordinates count from the padded corner, so that none is negative.
        let (top, left) = (row * self.stride, column * self.stride);
        let (first_column, end_column) = (self.padding.left, self.padding.left + w);
        let mut tap = taps.start;
        while tap < taps.end {
            let (i, j) = (tap / kernel_w, tap % kernel_w);
            let count = (kernel_w - j).min(taps.end - tap);
            let at = (tap - taps.start) * self.group_channels();
            let y = (top + i).wrapping_sub(self.padding.top); // beyond any map if above the edge
            let from = (left + j).clamp(first_column, end_column);
            let to = (left + j + count).clamp(first_column, end_column);
            if y < h && from < to {
                f(Run {
                    at,
                    before: from - (left + j),
                    inside: to - from,
                    pixel: (image * h + y) * w + (from - first_column),
                });
            } else {
                f(Run { at, before: count, inside: 0, pixel: 0 });
            }
            tap += count;
        }
    }

    /// Adds `patches`, (pixels, kH·kW · group channels), to where [`Self::gather`] reads them:
    /// `x` holds the images from number `first_image` on.
    pub(super) fn scatter_add(
        &self,
        patches: &[f32],
        pixels: Range<usize>,
        group: usize,
        first_image: usize,
        x: &mut [f32],
    ) {
        vectorized(
            #[inline(always)]
            || self.scatter_runs(patches, pixels, group, first_image, x),
        );
    }

    #[inline(always)]
    fn scatter_runs(
        &self,
        patches: &[f32],
        pixels: Range<usize>,
        group: usize,
        first_image: usize,
        x: &mut [f32],
    ) {
        let (channels, group_channels) = (self.channels, self.group_channels());
        let origin = first_image * self.input.0 * self.input.1;
        for (p, patch) in pixels.zip(patches.chunks_exact(self.patch())) {
            self.runs(
                p,
                &(0..self.taps()),
                #[inline(always)]
                |run| {
                    if run.inside == 0 {
                        return;
                    }
                    let patch = &patch[run.at + run.before * group_channels..];
                    let taps = patch.chunks_exact(group_channels).take(run.inside);
                    let x = &mut x[(run.pixel - origin) * channels..];
                    for (x, patch) in x.chunks_mut(channels).zip(taps) {
                        let x = &mut x[group * group_channels..][..group_channels];
                        for (x, patch) in x.iter_mut().zip(patch) {
                            *x += patch;
                        }
                    }
                },
            );
        }
    }
}
