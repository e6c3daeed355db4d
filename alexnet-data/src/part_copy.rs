//! Copies a part of an image into a batch: as it is, resized, mirrored.

use crate::augment::View;
use crate::error::{Error, Result};
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// Copies parts of images, and reuses its memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartCopy {
    resizer: Resizer,
    resized: Vec<u8>,
}

impl PartCopy {
    /// Copies `view` of an image of `stored` pixels, height and width, into a crop of `crop`
    /// pixels, after [`check_crop`](crate::augment::check_crop) of the part.
    ///
    /// # Errors
    /// [`Error::Crop`] for a part that the library refuses to resize.
    pub(crate) fn copy(
        &mut self,
        image: &[u8],
        stored: [usize; 2],
        crop: [usize; 2],
        view: View,
        out: &mut [u8],
    ) -> Result<()> {
        match view.resized_from {
            Some(part) if part != crop => {
                let View { top, left, .. } = view;
                self.resize(image, stored, part, crop, view).ok_or(Error::Crop {
                    crop: part,
                    top,
                    left,
                    stored,
                })?;
                let whole = View { top: 0, left: 0, ..view };
                copy_crop(&self.resized, crop[1], crop[1], whole, out);
            }
            _ => copy_crop(image, stored[1], crop[1], view, out),
        }
        Ok(())
    }

    /// Resizes a part by bilinear interpolation which, like Pillow's, averages where it shrinks.
    fn resize(
        &mut self,
        image: &[u8],
        stored: [usize; 2],
        part: [usize; 2],
        crop: [usize; 2],
        view: View,
    ) -> Option<()> {
        self.resized.resize(crop[0] * crop[1] * 3, 0);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let [rows, columns] = stored.map(|side| side as u32);
        let [height, width] = part.map(|side| side as u32);
        let (top, left) = (view.top as u32, view.left as u32);
        let image = TypedImageRef::<U8x3>::from_buffer(columns, rows, image).ok()?;
        let from = TypedCroppedImage::new(image, left, top, width, height).ok()?;
        let [rows, columns] = crop.map(|side| side as u32);
        let mut to = TypedImage::from_buffer(columns, rows, &mut self.resized).ok()?;
        self.resizer.resize_typed(&from, &mut to, &options).ok()
    }
}

/// Copies a crop of `crop` columns out of an image of `stored` columns, after `check_crop`.
///
/// pulp compiles this for several vector widths and chooses one at run time, with which a mirrored
/// row is copied nearly as fast as a plain one. So all that is called here must be inlined.
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

/// Copies a row of pixels with the last pixel first.
///
/// The row is read forwards and written backwards, because the processor prefetches only ahead of
/// forward reads, and the source is in memory rather than in a cache.
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

/// Sixteen pixels, or three vectors of 16 bytes, which the compiler reverses by byte shuffles.
const BLOCK: usize = 48;

/// The pixels 0 … 15 in the order 15 … 0, each with R, G, B in their old order.
#[inline(always)]
fn mirror_block(pixels: &[u8; BLOCK]) -> [u8; BLOCK] {
    let (mut out, mut i) = ([0; BLOCK], 0);
    // By index, because iterators over chunks of three compile to single bytes, half as fast.
    while i < BLOCK {
        out[i] = pixels[BLOCK - 3 - i];
        out[i + 1] = pixels[BLOCK - 2 - i];
        out[i + 2] = pixels[BLOCK - 1 - i];
        i += 3;
    }
    out
}
