//! Direct convolution: the GEMM of im2col without im2col's matrix.
//!
//! For each group a convolution is the GEMM of patches, (pixels, kH·kW·C/groups), and weights,
//! (kH·kW·C/groups, O/groups). im2col would write the matrix of patches to memory. We do not: in
//! NHWC a kernel row of a patch is contiguous in the image, so the micro-kernel gets a pointer into
//! the image for each of its R rows, which are output pixels. Pixels outside the map are read from
//! a row of zeros.
//!
//! ```text
//! pack the weights as panels (groups, panels, kH·kW·C/groups, width)        once a call
//! for each strip of at most 512 output pixels of an image                   in parallel
//!   for each panel                                          sums (pixels, width), 128 KiB
//!     for each block of at most 100 elements of the patch   rows of the panel, 25 KiB: in L1
//!       for each tile of R pixels                           in the micro-kernel
//! ```
//!
//! Between blocks the sums of a strip wait in scratch memory. The sizes in bytes are for a width of
//! 64 floats.

use candle_core::Result;
use rayon::prelude::*;

use super::epilogue::Epilogue;
use super::geometry::Geometry;
use crate::cpu::microkernel::{MOST_ROWS, MicroTile, dispatch_full_tile, fma_tile, load, store};
use crate::cpu::scratch::{Scratch, with_scratch};

/// The most elements of a patch in a block: with panels of 64 channels 25 KiB of weights, which
/// stay in the L1 cache.
const BLOCK: usize = 100;

/// The most pixels of a strip: its sums for 64 channels are 128 KiB.
const STRIP: usize = 512;

/// What is read for pixels outside the map.
static ZEROS: [f32; BLOCK] = [0.0; BLOCK];

/// The weights, packed in the order in which the micro-kernel reads them.
struct Panels {
    tile: MicroTile,
    /// (groups, panels, patch, width), zero where a panel is wider than the channels that are left.
    values: Scratch,
}

impl Panels {
    /// Packs weights.
    fn new(g: &Geometry, weight: impl Fn(usize, usize) -> f32 + Sync) -> Result<Self> {
        let (patch, group_out) = (g.patch(), g.group_out_channels());
        let tile = MicroTile::new(group_out);
        let panels = group_out.div_ceil(tile.width);
        // SAFETY: the loop below writes each row of it.
        let mut values = unsafe { Scratch::uninit(g.groups * panels * patch * tile.width)? };
        let rows = values.par_chunks_mut(tile.width).enumerate();
        rows.for_each(|(row, values)| {
            let (group, panel, k) = (row / patch / panels, row / patch % panels, row % patch);
            let channels = panel * tile.width..group_out.min((panel + 1) * tile.width);
            values.fill(0.0);
            for (value, o) in values.iter_mut().zip(channels) {
                *value = weight(group * group_out + o, k);
            }
        });
        Ok(Self { tile, values })
    }
}

/// Neighbouring elements of a patch that are also neighbours in the image.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Row and first column in the kernel.
    tap: (usize, usize),
    /// Number of columns: all of a row, or one.
    taps: usize,
    /// First channel, and the number of channels.
    channel: usize,
    channels: usize,
}

/// Cuts the patch into blocks of segments, in the order of its elements.
fn blocks(g: &Geometry) -> Vec<Vec<Segment>> {
    let ((kernel_h, kernel_w), channels) = (g.kernel, g.group_channels());
    let mut segments = Vec::new();
    for i in 0..kernel_h {
        if g.groups == 1 && kernel_w * channels <= BLOCK {
            segments.push(Segment { tap: (i, 0), taps: kernel_w, channel: 0, channels });
            continue;
        }
        let part = channels.div_ceil(channels.div_ceil(BLOCK));
        for j in 0..kernel_w {
            for channel in (0..channels).step_by(part) {
                let channels = part.min(channels - channel);
                segments.push(Segment { tap: (i, j), taps: 1, channel, channels });
            }
        }
    }
    let mut blocks: Vec<Vec<Segment>> = Vec::new();
    let mut floats = BLOCK;
    for segment in segments {
        let more = segment.taps * segment.channels;
        match blocks.last_mut() {
            Some(block) if floats + more <= BLOCK => block.push(segment),
            _ => {
                blocks.push(vec![segment]);
                floats = 0;
            }
        }
        floats += more;
    }
    blocks
}

/// `y` (B, H', W', O) of `x` (B, H, W, C); `weight(o, k)` is the weight of output channel `o` for
/// element `k` of a patch.
pub(super) fn convolve(
    g: &Geometry,
    x: &[f32],
    weight: impl Fn(usize, usize) -> f32 + Sync,
    epilogue: Epilogue<'_>,
    y: &mut [f32],
) -> Result<()> {
    let panels = &Panels::new(g, weight)?;
    let (out, image) = (g.out_channels, g.out_pixels() * g.out_channels);
    let strips = g.out_pixels().div_ceil(STRIP);
    let rows = panels.tile.rows;
    let strip = g.out_pixels().div_ceil(strips).next_multiple_of(rows);
    let blocks = blocks(g);
    let images = y.par_chunks_mut(image).zip(x.par_chunks(g.image())).enumerate();
    let tasks = images.flat_map(|(b, (y, x))| {
        y.par_chunks_mut(strip * out).enumerate().map(move |(s, y)| (b, s * strip, x, y))
    });
    tasks.for_each(|(b, first, x, y)| {
        let floats = strip * panels.tile.width;
        with_scratch(floats, |sums| {
            let panel_floats = g.patch() * panels.tile.width;
            for (number, panel) in panels.values.chunks_exact(panel_floats).enumerate() {
                let in_group = g.group_out_channels().div_ceil(panels.tile.width);
                let (group, column) = (number / in_group, number % in_group * panels.tile.width);
                let pixels = y.len() / out;
                let (blocks, tile, sums) = (&blocks[..], panels.tile, &mut *sums);
                let strip = Strip { g, x, group, first, pixels, blocks, tile, panel, sums };
                pulp::Arch::new().dispatch(strip);
                let start = group * g.group_out_channels() + column;
                let width = panels.tile.width.min(g.group_out_channels() - column);
                for (y, sums) in y.chunks_exact_mut(out).zip(sums.chunks(panels.tile.width)) {
                    y[start..start + width].copy_from_slice(&sums[..width]);
                }
            }
        });
        epilogue.apply(b * image + first * out, y);
    });
    Ok(())
}

/// The GEMM of one panel and the patches of some pixels of one output image.
struct Strip<'a> {
    g: &'a Geometry,
    /// The image (H, W, C).
    x: &'a [f32],
    group: usize,
    /// Number of the first pixel, and the number of pixels.
    first: usize,
    pixels: usize,
    blocks: &'a [Vec<Segment>],
    tile: MicroTile,
    panel: &'a [f32],
    /// (pixels, width), where the pixels are rounded up to whole tiles.
    sums: &'a mut [f32],
}

impl pulp::WithSimd for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let tile = self.tile;
        dispatch_full_tile!(tile, strip_gemm::<S>(simd, self));
    }
}

#[inline(always)]
fn strip_gemm<S: pulp::Simd, const R: usize, const V: usize>(simd: S, strip: Strip<'_>) {
    let width = V * S::F32_LANES;
    assert!(width == strip.tile.width && R <= MOST_ROWS);
    assert!(strip.panel.len() == strip.g.patch() * width);
    assert!(strip.sums.len() >= strip.pixels.next_multiple_of(R) * width);
    let start = strip.sums.as_mut_ptr();
    let mut k = 0;
    for (number, block) in strip.blocks.iter().enumerate() {
        for tile in (0..strip.pixels).step_by(R) {
            let corners: [_; R] = std::array::from_fn(|m| strip.corner(tile + m));
            // SAFETY: the tile's rows lie in `sums`, by the assertion above.
            let at = |m: usize| unsafe { start.add((tile + m) * width) };
            let mut totals: [[S::f32s; V]; R] = match number {
                0 => [[simd.splat_f32s(0.0); V]; R],
                // SAFETY: as `at`.
                _ => std::array::from_fn(|m| unsafe { load(at(m)) }),
            };
            let mut k = k;
            for &segment in block {
                debug_assert!(k + segment.taps * segment.channels <= strip.g.patch());
                if let Some(a) = strip.pointers(segment, &corners) {
                    let count = segment.taps * segment.channels;
                    // SAFETY: each pointer can be read for the segment's floats; the segments of
                    // all blocks are the patch, so the panel has their rows.
                    unsafe {
                        let b = strip.panel.as_ptr().add(k * width);
                        let a = |m: usize, k: usize| a[m].add(k);
                        fma_tile(simd, &mut totals, a, (b, width), count);
                    }
                    k += count;
                    continue;
                }
                // Some windows cross the edge of the map within this segment, so we go tap by tap.
                for j in segment.tap.1..segment.tap.1 + segment.taps {
                    let one = Segment { tap: (segment.tap.0, j), taps: 1, ..segment };
                    if let Some(a) = strip.pointers(one, &corners) {
                        // SAFETY: as above.
                        unsafe {
                            let b = strip.panel.as_ptr().add(k * width);
                            let a = |m: usize, k: usize| a[m].add(k);
                            fma_tile(simd, &mut totals, a, (b, width), one.channels);
                        }
                    }
                    k += one.channels;
                }
            }
            for (m, totals) in totals.into_iter().enumerate() {
                // SAFETY: as `at`.
                unsafe { store(totals, at(m)) };
            }
        }
        k += block.iter().map(|s| s.taps * s.channels).sum::<usize>();
    }
}

impl Strip<'_> {
    /// Row and column of the input where the window of an output pixel begins; they are negative in
    /// the padding. Pixels after the last, which fill the last tile, get a window outside the map.
    #[inline(always)]
    fn corner(&self, pixel: usize) -> (isize, isize) {
        if pixel >= self.pixels {
            return (isize::MAX / 2, 0);
        }
        let (pixel, (g, (_, out_w))) = (self.first + pixel, (self.g, self.g.output));
        let start = |at: usize, padding: usize| (at * g.stride) as isize - padding as isize;
        (start(pixel / out_w, g.padding.top), start(pixel % out_w, g.padding.left))
    }

    /// A pointer to the first float of a segment for the window at each corner, in the image or in
    /// the zeros; `None` if a window has a part of the segment inside the map and a part outside.
    #[inline(always)]
    fn pointers<const R: usize>(
        &self,
        segment: Segment,
        corners: &[(isize, isize); R],
    ) -> Option<[*const f32; R]> {
        let ((h, w), channels) = (self.g.input, self.g.channels);
        let mut pointers = [ZEROS.as_ptr(); R];
        let floats = segment.taps * segment.channels;
        assert!(floats <= ZEROS.len());
        for (pointer, &(top, left)) in pointers.iter_mut().zip(corners) {
            let (row, column) = (top + segment.tap.0 as isize, left + segment.tap.1 as isize);
            let end = column + segment.taps as isize;
            if row < 0 || row >= h as isize || end <= 0 || column >= w as isize {
                continue;
            }
            if column < 0 || end > w as isize {
                return None;
            }
            let pixel = row as usize * w + column as usize;
            let first = pixel * channels + self.group * self.g.group_channels() + segment.channel;
            *pointer = self.x[first..first + floats].as_ptr();
        }
        Some(pointers)
    }
}
