//! The shorter side to the wanted size, and the square in the middle.

use super::{Picture, Pixels, broken};
use crate::DecodeError;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// How many pixels a filter reaches over the crop's edge: two, the cubic one.
const REACH: usize = 3;

/// Makes pictures square, in memory that is used again.
pub(super) struct Squarer {
    resizer: Resizer,
    /// Between the passes.
    between: Vec<u8>,
}

/// A piece of one side in pixels: where it begins and how long it is.
type Span = (f64, f64);

impl Squarer {
    pub(super) fn new() -> Self {
        Self { resizer: Resizer::new(), between: Vec::new() }
    }

    /// Shorter side to `size`, other side rounded, centre crop at ⌊(side − size) / 2⌋: `size` × `size`
    /// × 3 bytes.
    ///
    /// Only the crop is computed: the resampler is given the crop's place in the source, and its taps
    /// still reach over the crop's edge, so the result is that of resizing everything and then
    /// cropping. A 1 × 65,500 strip would otherwise become 256 × 16.8 million.
    ///
    /// The crop is that of the picture itself, also where only a fraction of it has been decoded.
    pub(super) fn square(
        &mut self,
        picture: &Picture,
        size: usize,
    ) -> Result<Vec<u8>, DecodeError> {
        let Picture { pixels: Pixels { height, width, data, .. }, sides, factor } = picture;
        if data.len() != height * width * 3 {
            return Err(broken(
                "the decoder returned another number of pixels than its header says",
            ));
        }
        let short = sides[0].min(sides[1]);
        // The crop in decoded pixels, along a side of the picture.
        let window = |side: usize, pixels: usize| -> Span {
            let scaled = ((side * size) as f64 / short as f64).round();
            let offset = ((scaled - size as f64) / 2.0).floor();
            let back = side as f64 / scaled / *factor as f64;
            let start = offset * back;
            (start, (size as f64 * back).min(pixels as f64 - start)) // rounding must not reach outside
        };
        let (down, across) = (window(sides[0], *height), window(sides[1], *width));
        let filter = if short > size { FilterType::Box } else { FilterType::CatmullRom };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        let mut out = vec![0; size * size * 3];
        let (from, to) = (source(data, *height, *width)?, target(&mut out, size, size)?);
        let exact = |(start, extent): Span| extent == size as f64 && start == start.round();
        if exact(down) || exact(across) {
            self.pass(&options, &from, to, down, across)?;
            return Ok(out);
        }
        // One direction after the other, as the library would do it. Asked for both at once, version 6.1
        // reads outside of memory, and may crash, where the crop's first or last pixel lies exactly on
        // one of the source: it takes that one's reach for that of all.
        let left = (across.0 as usize).saturating_sub(REACH);
        let columns = ((across.0 + across.1).ceil() as usize + REACH).min(*width) - left;
        let mut between = std::mem::take(&mut self.between);
        between.resize(size * columns * 3, 0);
        let strip = (left as f64, columns as f64);
        self.pass(&options, &from, target(&mut between, size, columns)?, down, strip)?;
        let (down, across) = ((0.0, size as f64), (across.0 - left as f64, across.1));
        self.pass(&options, &source(&between, size, columns)?, to, down, across)?;
        self.between = between;
        Ok(out)
    }

    /// Resamples what is spanned in `from`, in one direction or none.
    fn pass(
        &mut self,
        options: &ResizeOptions,
        from: &TypedImageRef<'_, U8x3>,
        mut to: TypedImage<'_, U8x3>,
        down: Span,
        across: Span,
    ) -> Result<(), DecodeError> {
        let options = options.crop(across.0, down.0, across.1, down.1);
        self.resizer.resize_typed(from, &mut to, &options).map_err(fail)
    }
}

fn source(
    data: &[u8],
    height: usize,
    width: usize,
) -> Result<TypedImageRef<'_, U8x3>, DecodeError> {
    TypedImageRef::from_buffer(width as u32, height as u32, data).map_err(fail)
}

fn target(
    data: &mut [u8],
    height: usize,
    width: usize,
) -> Result<TypedImage<'_, U8x3>, DecodeError> {
    TypedImage::from_buffer(width as u32, height as u32, data).map_err(fail)
}

fn fail(error: impl std::fmt::Display) -> DecodeError {
    broken(&format!("cannot be resized: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weight of a pixel at `x` from the centre, in pixels of the result when shrinking. One on the
    /// edge between two belongs to the first.
    fn weight(x: f64, shrinks: bool) -> f64 {
        match (shrinks, x.abs()) {
            (true, _) => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            (false, x @ ..1.0) => (1.5 * x - 2.5) * x * x + 1.0,
            (false, x @ ..2.0) => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            (false, _) => 0.0,
        }
    }

    /// One value of the result along one side: the weighted mean of `pixels` around `centre`.
    fn mean(pixels: &[f64], centre: f64, shrinks: bool, scale: f64) -> f64 {
        let reach = if shrinks { scale } else { 1.0 };
        let weights = (0..pixels.len()).map(|i| weight((i as f64 + 0.5 - centre) / reach, shrinks));
        let (sum, all) = weights.zip(pixels).fold((0.0, 0.0), |(s, a), (w, p)| (s + w * p, a + w));
        (sum / all).round().clamp(0.0, 255.0)
    }

    /// By the definition: columns first, each value rounded, then rows, then the crop.
    fn slow(data: &[u8], height: usize, width: usize, size: usize) -> Vec<u8> {
        let short = height.min(width);
        let side = |side: usize| {
            let scaled = ((side * size) as f64 / short as f64).round();
            let (offset, scale) = (((scaled - size as f64) / 2.0).floor(), side as f64 / scaled);
            move |i: usize| (offset + i as f64 + 0.5) * scale
        };
        let (rows, columns) = (side(height), side(width));
        let (step, shrinks) = (rows(1) - rows(0), short > size);
        let mut out = vec![0; size * size * 3];
        for channel in 0..3 {
            let value = |y: usize, x: usize| f64::from(data[(y * width + x) * 3 + channel]);
            for y in 0..size {
                let row: Vec<f64> = (0..width)
                    .map(|x| {
                        let column: Vec<f64> = (0..height).map(|y| value(y, x)).collect();
                        mean(&column, rows(y), shrinks, step)
                    })
                    .collect();
                for x in 0..size {
                    let step = columns(1) - columns(0);
                    out[(y * size + x) * 3 + channel] = mean(&row, columns(x), shrinks, step) as u8;
                }
            }
        }
        out
    }

    fn compare(height: usize, width: usize, size: usize) {
        let data: Vec<u8> = (0..height * width * 3)
            .map(|i| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(9) as u8)
            .collect();
        let want = slow(&data, height, width, size);
        let pixels = Pixels { height, width, data, damage: None };
        let mut squarer = Squarer { between: vec![255; 5000], ..Squarer::new() };
        let got = squarer.square(&Picture::whole(pixels), size).unwrap();
        let off = got.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).max();
        // One for a value between the passes that was rounded the other way, and one for that.
        assert!(off <= Some(2), "{height} × {width} to {size}: off by {off:?}");
    }

    /// Whether the edge of a shrunk pixel goes through the middle of one: it may belong to either.
    fn undecided(side: usize, short: usize, size: usize) -> bool {
        let scaled = ((side * size) as f64 / short as f64).round() as usize;
        short > size && (1..scaled).any(|i| i * side % scaled * 2 == scaled)
    }

    /// Enlarged, kept and shrunk, upright and lying, in both directions at once and in one.
    #[test]
    fn as_defined() {
        let sides = [(1, 9), (14, 26), (16, 31), (17, 40), (20, 33), (26, 27), (40, 40)];
        let mut compared = 0;
        for (short, long) in sides {
            for size in [2, 5, 16, 20] {
                if !undecided(short, short, size) && !undecided(long, short, size) {
                    compared += 1;
                    compare(short, long, size);
                    compare(long, short, size);
                }
            }
        }
        assert!(compared > 15, "{compared}");
    }

    /// Where the crop's first or last pixel lies exactly on one of the source.
    #[test]
    fn pixels_upon_pixels() {
        let mut found = 0;
        for size in [16, 31] {
            for short in 2..size {
                for long in short + 1..3 * short {
                    let scaled = ((long * size) as f64 / short as f64).round() as usize;
                    let offset = (scaled - size) / 2;
                    let upon = |i: usize| {
                        let place = (2 * (offset + i) + 1) * long;
                        place.is_multiple_of(scaled) && place / scaled % 2 == 1
                    };
                    if upon(0) || upon(size - 1) {
                        found += 1;
                        compare(short, long, size);
                        compare(long, short, size);
                    }
                }
            }
        }
        assert!(found > 10, "{found}");
    }
}
