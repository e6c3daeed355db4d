//! Convolution without patches: each tile of results reads its pixels where they lie.
//!
//! The weights are packed once a call into panels, (groups, panels, kH·kW·C/groups, width). A task works on a
//! strip of one image's pixels: for each panel it goes through the kernel in blocks that stay in the first
//! cache, and through the strip in tiles of a few pixels, whose sums wait in scratch memory between blocks.
//! A window's pixels outside the map are read from a row of zeros.

use candle_core::Result;
use rayon::prelude::*;

use super::epilogue::Tail;
use super::geometry::Geometry;
use crate::cpu::microkernel::{MOST_ROWS, Tile, add_products, load, store, with_whole_tile};
use crate::cpu::pool::{Lent, lend, with_scratch};

/// Floats of a kernel that one block takes about: with 64 channels 24 KiB.
const BLOCK: usize = 100;

/// Pixels of a strip at most: the sums of 64 channels of it are 128 KiB.
const STRIP: usize = 512;

/// What stands for pixels outside the map.
static ZEROS: [f32; BLOCK] = [0.0; BLOCK];

/// Weights as the tiles read them.
struct Panels {
    tile: Tile,
    /// (groups, panels, patch, width), zero where a panel is wider than the channels that are left.
    values: Lent,
}

impl Panels {
    /// Packs weights.
    fn new(g: &Geometry, weight: impl Fn(usize, usize) -> f32 + Sync) -> Result<Self> {
        let (patch, group_out) = (g.patch(), g.group_out_channels());
        let tile = Tile::new(group_out);
        let panels = group_out.div_ceil(tile.width);
        // SAFETY: the loop below writes each row of it.
        let mut values = unsafe { lend(g.groups * panels * patch * tile.width)? };
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

/// Neighbouring floats of a patch that are neighbours in a pixel row too.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Row and first column in the kernel.
    tap: (usize, usize),
    /// Columns: all of a row, or one.
    taps: usize,
    /// First channel, and how many.
    channel: usize,
    channels: usize,
}

/// The patch cut into blocks of segments, in the order of its elements.
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

/// `y` (B, H', W', O) of `x` (B, H, W, C); `weight(o, k)` is that of output channel `o` and element `k` of its patch.
pub(super) fn convolve(
    g: &Geometry,
    x: &[f32],
    weight: impl Fn(usize, usize) -> f32 + Sync,
    tail: Tail<'_>,
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
                let strip = Strip { g, x, group, first, pixels, tile: panels.tile };
                pulp::Arch::new().dispatch(Sums { strip, blocks: &blocks, panel, sums });
                let start = group * g.group_out_channels() + column;
                let width = panels.tile.width.min(g.group_out_channels() - column);
                for (y, sums) in y.chunks_exact_mut(out).zip(sums.chunks(panels.tile.width)) {
                    y[start..start + width].copy_from_slice(&sums[..width]);
                }
            }
        });
        tail.apply(b * image + first * out, y);
    });
    Ok(())
}

/// Some pixels of one output image, for one group.
#[derive(Clone, Copy)]
struct Strip<'a> {
    g: &'a Geometry,
    /// The image (H, W, C).
    x: &'a [f32],
    group: usize,
    /// Number of the first pixel, and how many.
    first: usize,
    pixels: usize,
    tile: Tile,
}

/// The sums of a strip over all blocks for one panel.
struct Sums<'a> {
    strip: Strip<'a>,
    blocks: &'a [Vec<Segment>],
    panel: &'a [f32],
    /// (pixels, width), the pixels of the last tile filled up.
    sums: &'a mut [f32],
}

impl pulp::WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let tile = self.strip.tile;
        with_whole_tile!(tile, sums::<S>(simd, self));
    }
}

#[inline(always)]
fn sums<S: pulp::Simd, const R: usize, const V: usize>(simd: S, sums: Sums<'_>) {
    let Sums { strip, blocks, panel, sums } = sums;
    let width = V * S::F32_LANES;
    assert!(width == strip.tile.width && R <= MOST_ROWS);
    assert!(panel.len() == strip.g.patch() * width);
    assert!(sums.len() >= strip.pixels.next_multiple_of(R) * width);
    let start = sums.as_mut_ptr();
    let mut k = 0;
    for (number, block) in blocks.iter().enumerate() {
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
                if let Some(a) = strip.places(segment, &corners) {
                    let count = segment.taps * segment.channels;
                    // SAFETY: `places` can be read for the segment's floats; the segments of all blocks
                    // are the patch, so that its rows of the panel are there.
                    unsafe {
                        let b = panel.as_ptr().add(k * width);
                        let a = |m: usize, k: usize| a[m].add(k);
                        add_products(simd, &mut totals, a, (b, width), count);
                    }
                    k += count;
                    continue;
                }
                // Some windows hang over the edge within this row: tap by tap.
                for j in segment.tap.1..segment.tap.1 + segment.taps {
                    let one = Segment { tap: (segment.tap.0, j), taps: 1, ..segment };
                    if let Some(a) = strip.places(one, &corners) {
                        // SAFETY: as above.
                        unsafe {
                            let b = panel.as_ptr().add(k * width);
                            let a = |m: usize, k: usize| a[m].add(k);
                            add_products(simd, &mut totals, a, (b, width), one.channels);
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
    /// Where the window of a pixel of the strip begins: row and column, negative in the padding. A pixel
    /// behind the last has a window outside the map.
    #[inline(always)]
    fn corner(&self, pixel: usize) -> (isize, isize) {
        if pixel >= self.pixels {
            return (isize::MAX / 2, 0);
        }
        let (pixel, (g, (_, out_w))) = (self.first + pixel, (self.g, self.g.output));
        let place = |at: usize, padding: usize| (at * g.stride) as isize - padding as isize;
        (place(pixel / out_w, g.padding.top), place(pixel % out_w, g.padding.left))
    }

    /// Where the floats of a segment begin for the window at each corner: in the image, or in the zeros;
    /// `None` if a window has some of them inside the map and some not.
    #[inline(always)]
    fn places<const R: usize>(
        &self,
        segment: Segment,
        corners: &[(isize, isize); R],
    ) -> Option<[*const f32; R]> {
        let ((h, w), channels) = (self.g.input, self.g.channels);
        let mut places = [ZEROS.as_ptr(); R];
        let floats = segment.taps * segment.channels;
        assert!(floats <= ZEROS.len());
        for (place, &(top, left)) in places.iter_mut().zip(corners) {
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
            *place = self.x[first..first + floats].as_ptr();
        }
        Some(places)
    }
}
