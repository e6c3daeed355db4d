//! Resizes an image to a square: its shorter side, of whose result the central square is kept, or
//! both sides.

use super::error::{DecodeError, Result};
use super::limits::Limits;
use super::pixels::Pixels;
use super::resample::{Resample, filter};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

/// Which part of an image is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// The shorter side is resized to the size, and the central square is kept.
    #[default]
    Centre,
    /// The same as torchvision's `Resize` and `CenterCrop` round: the longer side is resized to a
    /// whole pixel below, and a crop that would begin at half a pixel begins at the even one. It
    /// is another pixel for half of the images whose longer side becomes odd.
    Torchvision,
    /// Both sides are resized to the size, whatever the proportion: Caffe's warp.
    Whole,
}

/// Makes images square, and reuses its memory.
pub(super) struct Squarer {
    resizer: Resizer,
    /// The image between the two passes.
    between: Vec<u8>,
}

/// A range of one side in pixels: its start and its length.
type Span = (f64, f64);

impl Squarer {
    pub(super) fn new() -> Self {
        Self { resizer: Resizer::new(), between: Vec::new() }
    }

    /// Resizes the shorter side to `size` and the other in proportion, rounded, and takes the crop
    /// at ⌊(side − size) / 2⌋, or rounds both as [`Crop::Torchvision`] says, or resizes both sides
    /// to `size`: `size` × `size` × 3 bytes.
    ///
    /// Only the crop is computed: the resampler gets its position in the source, and its filter
    /// still reads pixels outside of it, so the result is that of resizing first and cropping then.
    /// In full, a strip of 1 × 65,500 would become 256 × 16.8 million.
    ///
    /// # Errors
    /// Where all of this takes more memory than one image may.
    pub(super) fn square(
        &mut self,
        image: &Pixels,
        size: usize,
        (resample, crop): (Resample, Crop),
        limits: Limits,
    ) -> Result<Vec<u8>> {
        let Pixels { height, width, data, .. } = image;
        if data.len() != height * width * 3 {
            let reason = "the decoder returned another number of pixels than its header says";
            return Err(DecodeError::broken(reason));
        }
        let short = *height.min(width);
        // The crop along a side of the image.
        let window = |side: usize| -> Span {
            let exact = (side * size) as f64 / short as f64;
            let middle = |scaled: f64| (scaled - size as f64) / 2.0;
            let (scaled, offset) = match crop {
                Crop::Whole => return (0.0, side as f64),
                Crop::Centre => (exact.round(), middle(exact.round()).floor()),
                Crop::Torchvision => (exact.floor(), middle(exact.floor()).round_ties_even()),
            };
            let back = side as f64 / scaled;
            let start = offset * back;
            // Rounding must not reach outside.
            (start, (size as f64 * back).min(side as f64 - start))
        };
        let (down, across) = (window(*height), window(*width));
        let filter_for = |(_, extent): Span| filter(resample, extent / size as f64);
        let (_, reach) = filter_for(across)?;
        let left = (across.0 as usize).saturating_sub(reach);
        let columns = ((across.0 + across.1).ceil() as usize + reach).min(*width) - left;
        limits.check_resizing(data.len() + size * (columns + size) * 3)?;
        let mut out = vec![0; size * size * 3];
        let (from, to) = (source(data, *height, *width)?, target(&mut out, size, size)?);
        let exact = |(start, extent): Span| extent == size as f64 && start == start.round();
        if exact(down) || exact(across) {
            let (filter, _) = filter_for(if exact(down) { across } else { down })?;
            self.pass(filter, &from, to, down, across)?;
            return Ok(out);
        }
        // We resize one axis per call, in the order of the library, because fast_image_resize 6.1.0
        // reads out of bounds when both axes are cropped and the centre of the first or last pixel
        // of the crop lies exactly on a pixel of the source.
        let mut between = std::mem::take(&mut self.between);
        between.resize(size * columns * 3, 0);
        let strip = (left as f64, columns as f64);
        let (filter, _) = filter_for(down)?;
        self.pass(filter, &from, target(&mut between, size, columns)?, down, strip)?;
        let (filter, _) = filter_for(across)?;
        let (down, across) = ((0.0, size as f64), (across.0 - left as f64, across.1));
        self.pass(filter, &source(&between, size, columns)?, to, down, across)?;
        self.between = between;
        Ok(out)
    }

    /// Resamples the region `down` × `across` of `from`, along one axis or none.
    fn pass(
        &mut self,
        filter: FilterType,
        from: &TypedImageRef<'_, U8x3>,
        mut to: TypedImage<'_, U8x3>,
        down: Span,
        across: Span,
    ) -> Result<()> {
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .crop(across.0, down.0, across.1, down.1);
        self.resizer.resize_typed(from, &mut to, &options).map_err(fail)
    }
}

fn source(data: &[u8], height: usize, width: usize) -> Result<TypedImageRef<'_, U8x3>> {
    TypedImageRef::from_buffer(width as u32, height as u32, data).map_err(fail)
}

fn target(data: &mut [u8], height: usize, width: usize) -> Result<TypedImage<'_, U8x3>> {
    TypedImage::from_buffer(width as u32, height as u32, data).map_err(fail)
}

fn fail(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::broken(format_args!("cannot be resized: {error}"))
}
