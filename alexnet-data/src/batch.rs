//! A training or test batch: crops, labels and colour shifts in host memory.

use crate::augment::{View, check_crop};
use crate::dataset::Split;
use crate::decode::pixels::Pixels;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::part_copy::PartCopy;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A batch of B crops of height h and width w. Filling a batch again reuses its memory.
///
/// After an error its content is unspecified.
///
/// ```
/// use alexnet_data::{Batch, Pixels, Views, test_views};
/// let image = Pixels::new(2, 2, vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
/// let mut batch = Batch::new();
/// batch.fill_image(&image, [1, 2], &test_views([2, 2], [1, 2], Views::Ten)?)?;
/// assert_eq!(batch.len(), 10);
/// assert_eq!(batch.pixels[..6], [1, 2, 3, 4, 5, 6]); // the first crop: R G B, R G B
/// assert_eq!(batch.pixels[5 * 6..6 * 6], [4, 5, 6, 1, 2, 3]); // the same, mirrored
/// # Ok::<(), alexnet_data::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// The crops, (B, h, w, 3), as values from 0 to 255.
    pub pixels: Vec<u8>,
    /// The labels, (B), which are indices into [`Manifest::classes`](crate::Manifest::classes).
    pub labels: Vec<u32>,
    /// The colour noise, (B, 3): what to add to every R, G and B of a crop, in units of 0–255.
    pub color_shift: Vec<[f32; 3]>,
    /// The record and position of each crop, (B).
    pub views: Vec<View>,
    /// The height h of the crops.
    pub height: usize,
    /// The width w of the crops.
    pub width: usize,
    scratch: Scratch,
}

/// A record that takes longer than this was not copied from memory, which takes 30 to 90 µs with
/// the first comparison of its checksum.
const SLOW: Duration = Duration::from_micros(150);

/// What filling a batch needs besides. Batches with different scratch are equal.
#[derive(Debug, Clone, Default)]
struct Scratch {
    /// A decoded JPEG record before it is cropped.
    decoded: Vec<u8>,
    part: PartCopy,
    /// Whether the last filling was slow, because records were not in memory or had to be decoded.
    slow: bool,
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

    /// Fills the batch for evaluation, with the same crop of consecutive `records`: height and
    /// width `crop`, offset and flip of `view` (whose `record` is ignored), no colour noise.
    ///
    /// # Errors
    /// [`Error::Crop`], and those of [`Split::record`].
    pub fn fill_views(
        &mut self,
        split: &Split,
        records: Range<usize>,
        crop: [usize; 2],
        view: View,
    ) -> Result<()> {
        // The range may have any length, so it is checked before memory is allocated.
        if !records.is_empty() {
            split.label(records.end - 1)?;
        }
        let views = records.map(|record| (View { record, ..view }, [0.0; 3]));
        self.fill(split, crop, views)
    }

    /// Fills the batch for prediction, with several crops of one decoded image: height and width
    /// `crop`, offset and flip of each of `views` (whose `record` is ignored), label 0, no colour
    /// noise.
    ///
    /// # Errors
    /// [`Error::Crop`] for a view that does not lie inside the image.
    pub fn fill_image(&mut self, image: &Pixels, crop: [usize; 2], views: &[View]) -> Result<()> {
        self.fill_images(std::slice::from_ref(image), crop, views)
    }

    /// The same with the crops of several images, those of one after those of another.
    ///
    /// # Errors
    /// [`Error::Crop`] for a view that does not lie inside an image.
    pub fn fill_images(
        &mut self,
        images: &[Pixels],
        crop: [usize; 2],
        views: &[View],
    ) -> Result<()> {
        let size = crop[0].saturating_mul(crop[1]).saturating_mul(3);
        [self.height, self.width] = crop;
        let crops = || images.iter().flat_map(|image| views.iter().map(move |view| (image, *view)));
        for (image, view) in crops() {
            let part = view.resized_from.unwrap_or(crop);
            check_crop([image.height, image.width], part, view.top, view.left)?;
        }
        self.views = crops().map(|(_, view)| view).collect();
        self.labels = vec![0; self.views.len()];
        self.color_shift = vec![[0.0; 3]; self.views.len()];
        self.pixels.resize(self.views.len() * size, 0);
        for (out, (image, view)) in self.pixels.chunks_exact_mut(size.max(1)).zip(crops()) {
            self.scratch.part.copy(&image.data, [image.height, image.width], crop, view, out)?;
        }
        Ok(())
    }

    /// Fills the batch with crops of records and their colour shifts.
    pub(crate) fn fill(
        &mut self,
        split: &Split,
        crop: [usize; 2],
        views: impl ExactSizeIterator<Item = (View, [f32; 3])>,
    ) -> Result<()> {
        let stored = [split.height(), split.width()];
        check_crop(stored, crop, 0, 0)?;
        let size = crop[0] * crop[1] * 3;
        [self.height, self.width] = crop;
        self.labels.clear();
        self.color_shift.clear();
        self.views.clear();
        // Not cleared first, so that only new memory is zeroed; all of it is overwritten below.
        self.pixels.resize(views.len() * size, 0);
        let start = Instant::now();
        for (view, shift) in views {
            check_crop(stored, view.resized_from.unwrap_or(crop), view.top, view.left)?;
            // All records are requested before the first is read, so that a disk reads them in
            // parallel.
            split.prefetch(view.record, self.scratch.slow);
            self.color_shift.push(shift);
            self.views.push(view);
        }
        for (out, view) in self.pixels.chunks_exact_mut(size).zip(&self.views) {
            let Scratch { decoded, part, .. } = &mut self.scratch;
            let label = split.with_pixels(view.record, decoded, |label, pixels| {
                part.copy(pixels, stored, crop, *view, out)?;
                Ok(label)
            })?;
            self.labels.push(label);
        }
        self.scratch.slow = start.elapsed() > SLOW * self.views.len() as u32;
        Ok(())
    }
}
