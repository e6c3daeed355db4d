//! The square in the middle of a picture: where it lies, and its pixels.

use super::{DecodeError, broken};
use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::{FilterType, ImageView, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use std::ops::Range;

/// Shorter side to `size`, other side rounded, centre crop at ⌊(side − size) / 2⌋.
pub(super) struct Window {
    /// Height and width of the picture.
    sides: [usize; 2],
    size: usize,
}

/// What the crop takes of one side of a plane of pixels.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// Where it starts and how far it reaches, in the plane's pixels.
    start: f64,
    extent: f64,
    /// The plane's own pixels along this side.
    pixels: usize,
}

impl Window {
    pub(super) fn new(sides: [usize; 2], size: usize) -> Self {
        Self { sides, size }
    }

    fn short(&self) -> usize {
        self.sides[0].min(self.sides[1])
    }

    /// Along side 0 (rows) or 1 (columns) of a plane of `pixels`, `scale` of the picture's own.
    pub(super) fn part(&self, side: usize, scale: f64, pixels: usize) -> Part {
        let (side, size) = (self.sides[side], self.size);
        let scaled = ((side * size) as f64 / self.short() as f64).round();
        let back = side as f64 / scaled * scale;
        let start = ((scaled - size as f64) / 2.0).floor() * back;
        // Rounding must not reach outside.
        Part { start, extent: (size as f64 * back).min(pixels as f64 - start), pixels }
    }

    /// The picture's own pixels along a side that the crop is made of, or a few more.
    pub(super) fn reach(&self, side: usize) -> Range<usize> {
        let part = self.part(side, 1.0, self.sides[side]);
        // Cubic filters see two pixels on either side, of the smaller of both resolutions.
        let more = 2.0 * (part.extent / self.size as f64).max(1.0) + 1.0;
        let end = (part.start + part.extent + more).ceil() as usize;
        (part.start - more).max(0.0) as usize..end.min(self.sides[side])
    }

    /// Averages of the area when the picture shrinks, cubic when it grows. Rows that the file has fewer of
    /// than the picture may grow where the picture shrinks: linear, as decoders bring them to full size.
    fn filter(&self, part: Part, fewer: bool) -> FilterType {
        if fewer && part.extent < self.size as f64 {
            FilterType::Bilinear
        } else if self.short() > self.size {
            FilterType::Box
        } else {
            FilterType::CatmullRom
        }
    }

    /// The crop of a picture of which all pixels are there: size × size.
    ///
    /// Only the crop is computed: the resampler is given the crop's place in the source, and its taps
    /// still reach over the crop's edge, so the result is that of resizing everything and then
    /// cropping. A 1 × 65,500 strip would otherwise become 256 × 16.8 million.
    pub(super) fn resize<P: PixelTrait>(
        &self,
        data: &[u8],
        [rows, columns]: [Part; 2],
    ) -> Result<Vec<u8>, DecodeError> {
        let (filter, size) = (self.filter(rows, false), self.size);
        let source = view::<P>(data, [rows.pixels, columns.pixels])?;
        let whole = [columns.start, rows.start, columns.extent, rows.extent];
        let mut out = vec![0; size * size * P::size()];
        run(&source, filter, whole, [size, size], &mut out)?;
        Ok(out)
    }

    /// `rows` of a plane, of which `columns` are taken as they are.
    pub(super) fn resize_rows<P: PixelTrait>(
        &self,
        data: &[u8],
        stored: [usize; 2],
        rows: Part,
        columns: Range<usize>,
        out: &mut [u8],
    ) -> Result<(), DecodeError> {
        let filter = self.filter(rows, rows.pixels != self.sides[0]);
        let (source, width) = (view::<P>(data, stored)?, columns.len());
        // What fills up the last blocks is no part of the picture.
        let (left, pixels) = (columns.start as u32, rows.pixels as u32);
        let source = TypedCroppedImage::from_ref(&source, left, 0, width as u32, pixels);
        let part = [0.0, rows.start, width as f64, rows.extent];
        run(&source.map_err(fail)?, filter, part, [self.size, width], out)
    }

    /// `columns` of pixels whose rows are resized.
    pub(super) fn resize_columns<P: PixelTrait>(
        &self,
        data: &[u8],
        columns: Part,
        out: &mut [u8],
    ) -> Result<(), DecodeError> {
        let (filter, size) = (self.filter(columns, false), self.size);
        let source = view::<P>(data, [size, columns.pixels])?;
        run(&source, filter, [columns.start, 0.0, columns.extent, size as f64], [size, size], out)
    }
}

impl Part {
    /// The same part of the pixels `taken`.
    pub(super) fn of(self, taken: &Range<usize>) -> Self {
        Self { start: self.start - taken.start as f64, pixels: taken.len(), ..self }
    }
}

fn view<P: PixelTrait>(
    data: &[u8],
    [height, width]: [usize; 2],
) -> Result<TypedImageRef<'_, P>, DecodeError> {
    TypedImageRef::from_buffer(width as u32, height as u32, data).map_err(fail)
}

fn run<P: PixelTrait>(
    source: &impl ImageView<Pixel = P>,
    filter: FilterType,
    [left, top, width, height]: [f64; 4],
    [rows, columns]: [usize; 2],
    out: &mut [u8],
) -> Result<(), DecodeError> {
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .use_alpha(false)
        .crop(left, top, width, height);
    let mut target =
        TypedImage::<P>::from_buffer(columns as u32, rows as u32, out).map_err(fail)?;
    Resizer::new().resize_typed(source, &mut target, &options).map_err(fail)
}

fn fail(error: impl std::fmt::Display) -> DecodeError {
    broken(&format!("cannot be resized: {error}"))
}
