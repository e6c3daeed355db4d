//! A batch: bytes, labels and colour shifts, filled by row copies.

use crate::augment::check_crop;
use crate::{Error, Pixels, Split, View};
use std::ops::Range;
use std::time::{Duration, Instant};

/// One batch. Made once by [`Batch::new`] and refilled for ever: filling reuses its memory.
///
/// B images of height h and width w; after an error its content is unspecified.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// (B, h, w, 3): the crops, cropped and mirrored, 0–255.
    pub pixels: Vec<u8>,
    /// (B): places in [`Manifest::classes`](crate::Manifest::classes).
    pub labels: Vec<u32>,
    /// (B): what to add to every R, G and B of an image, in units of 0–255.
    pub color_shift: Vec<[f32; 3]>,
    /// (B): where each crop came from.
    pub views: Vec<View>,
    /// h.
    pub height: usize,
    /// w.
    pub width: usize,
    scratch: Scratch,
}

/// Slower than this, a record is not simply copied from memory: that took 30 to 90 µs, a first
/// checksum included.
const SLOW: Duration = Duration::from_micros(150);

/// What filling needs beside; no part of what a batch is.
#[derive(Debug, Default)]
struct Scratch {
    /// Where a JPEG record is decoded before it is cropped.
    decoded: Vec<u8>,
    /// Whether the last filling was slow: the records are not in memory, or they take their time.
    slow: bool,
}

impl Clone for Scratch {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Scratch {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of images, B.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Fills the batch with the same view of consecutive records, for evaluation: crops of `crop`
    /// height and width, at the offset and flip of `view` (whose `record` is ignored), no colour
    /// shift.
    ///
    /// # Errors
    /// [`Error::NoSuchRecord`], [`Error::Crop`], [`Error::DamagedRecord`], [`Error::BadRecord`].
    pub fn fill_views(
        &mut self,
        split: &Split,
        records: Range<usize>,
        crop: [usize; 2],
        view: View,
    ) -> Result<(), Error> {
        // Before any memory is asked for: a range may be of any length.
        if !records.is_empty() {
            split.label(records.end - 1)?;
        }
        let views = records.map(|record| (View { record, ..view }, [0.0; 3]));
        self.fill(split, crop, views)
    }

    /// Fills the batch with `views` of one decoded image (their `record` is ignored), for prediction:
    /// crops of `crop` height and width, label 0, no colour shift.
    ///
    /// # Errors
    /// [`Error::Crop`] for a view that does not lie inside the image.
    pub fn fill_image(
        &mut self,
        image: &Pixels,
        crop: [usize; 2],
        views: &[View],
    ) -> Result<(), Error> {
        let size = crop[0].saturating_mul(crop[1]).saturating_mul(3);
        [self.height, self.width] = crop;
        for view in views {
            check_crop([image.height, image.width], crop, view.top, view.left)?;
        }
        self.pixels.resize(views.len() * size, 0);
        for (out, view) in self.pixels.chunks_exact_mut(size.max(1)).zip(views) {
            copy_crop(&image.data, image.width, crop[1], *view, out);
        }
        self.labels = vec![0; views.len()];
        self.color_shift = vec![[0.0; 3]; views.len()];
        self.views = views.to_vec();
        Ok(())
    }

    /// Fills the batch with views and their colour shifts.
    pub(crate) fn fill(
        &mut self,
        split: &Split,
        crop: [usize; 2],
        views: impl ExactSizeIterator<Item = (View, [f32; 3])>,
    ) -> Result<(), Error> {
        let stored = [split.height(), split.width()];
        check_crop(stored, crop, 0, 0)?;
        let size = crop[0] * crop[1] * 3;
        [self.height, self.width] = crop;
        self.labels.clear();
        self.color_shift.clear();
        self.views.clear();
        // Not cleared first: only what a batch has grown by is zeroed, all is then overwritten.
        self.pixels.resize(views.len() * size, 0);
        let start = Instant::now();
        for (view, shift) in views {
            check_crop(stored, crop, view.top, view.left)?;
            // All are asked for before the first is waited for: a disk reads them side by side.
            split.will_need(view.record, self.scratch.slow);
            self.color_shift.push(shift);
            self.views.push(view);
        }
        for (out, view) in self.pixels.chunks_exact_mut(size).zip(&self.views) {
            let record = split.record_with(view.record, &mut self.scratch.decoded)?;
            copy_crop(&record.pixels, stored[1], crop[1], *view, out);
            self.labels.push(record.label);
        }
        self.scratch.slow = start.elapsed() > SLOW * self.views.len() as u32;
        Ok(())
    }
}

/// Copies a crop of `crop` columns out of an image of `stored` columns; `check_crop` has passed.
///
/// Compiled for the widest vectors there are and chosen when the program runs: a mirrored row is then
/// copied nearly as fast as a plain one. Hence `inline(always)` on all that is called.
fn copy_crop(image: &[u8], stored: usize, crop: usize, view: View, out: &mut [u8]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let rows = image.chunks_exact(stored * 3).skip(view.top);
            for (row, out) in rows.zip(out.chunks_exact_mut(crop * 3)) {
                let row = &row[view.left * 3..(view.left + crop) * 3];
                if view.flip { mirror(row, out) } else { out.copy_from_slice(row) }
            }
        },
    );
}

/// Copies a row of pixels, last pixel first.
///
/// The row is read forwards and written backwards: memory is fetched ahead of forward reads only,
/// and a crop comes from memory, not from a cache.
#[inline(always)]
fn mirror(row: &[u8], out: &mut [u8]) {
    let (blocks, last) = row.as_chunks::<BLOCK>();
    let (first, out_blocks) = out.as_rchunks_mut::<BLOCK>();
    for (out, block) in out_blocks.iter_mut().rev().zip(blocks) {
        *out = mirror_block(block);
    }
    for (out, pixel) in first.chunks_exact_mut(3).rev().zip(last.chunks_exact(3)) {
        out.copy_from_slice(pixel);
    }
}

/// Sixteen pixels, three vectors of 16 bytes: what the compiler turns into shuffles of bytes.
const BLOCK: usize = 48;

/// The pixels 0 … 15 as 15 … 0, each with its R, G, B in their order.
#[inline(always)]
fn mirror_block(pixels: &[u8; BLOCK]) -> [u8; BLOCK] {
    let (mut out, mut i) = ([0; BLOCK], 0);
    // By index: the same as a walk over chunks of three is left as single bytes, and half as fast.
    while i < BLOCK {
        out[i] = pixels[BLOCK - 3 - i];
        out[i + 1] = pixels[BLOCK - 2 - i];
        out[i + 2] = pixels[BLOCK - 1 - i];
        i += 3;
    }
    out
}
