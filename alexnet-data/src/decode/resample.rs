//! How an image is resized: the rules, and the filters along one axis.

use super::error::{DecodeError, Result};
use fast_image_resize::{Filter, FilterType};
use serde::{Deserialize, Serialize};
use std::cell::Cell;

/// How an image is resized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resample {
    /// Where it shrinks, the mean of the area that a pixel covers, with fractions of pixels (to one
    /// level OpenCV's `INTER_AREA`); where it grows, cubic interpolation with a = −0.75 (its
    /// `INTER_CUBIC`). The authors' make-data did both.
    #[default]
    Area,
    /// Pillow's `BOX` where it shrinks, which takes a pixel whole or not at all; cubic
    /// interpolation with a = −0.5 where it grows.
    Box,
    /// Pillow's `BICUBIC`, with a = −0.5.
    Bicubic,
    /// Pillow's `LANCZOS`, with three lobes.
    Lanczos,
    /// Pillow's `BILINEAR`, which averages where it shrinks. torchvision does it.
    Bilinear,
    /// The four pixels around a point, wherever these are: OpenCV's `INTER_LINEAR`. Where it
    /// shrinks to less than a half, it leaves out pixels. Caffe's tools do it.
    Linear,
}

impl Resample {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Area, Self::Box, Self::Bicubic, Self::Lanczos, Self::Bilinear, Self::Linear];

    /// The word for it.
    ///
    /// ```
    /// assert_eq!(alexnet_data::Resample::Area.name(), "area");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Area => "area",
            Self::Box => "box",
            Self::Bicubic => "bicubic",
            Self::Lanczos => "lanczos",
            Self::Bilinear => "bilinear",
            Self::Linear => "linear",
        }
    }
}

/// The filter for pixels of the result that are `scale` pixels of the source long, and how many
/// pixels of the source outside of a crop it may read.
///
/// It has to be used in the same thread before the next one is made: a filter of the library is a
/// function without state, so two of them find their scale in a thread-local variable.
pub(super) fn filter(resample: Resample, scale: f64) -> Result<(FilterType, usize)> {
    let custom = |name, function, support| {
        let filter = Filter::new(name, function, support).map_err(DecodeError::broken)?;
        Ok((FilterType::Custom(filter), support))
    };
    let (filter, support) = match (resample, scale > 1.0) {
        (Resample::Area, true) => {
            PIXEL.set(1.0 / scale);
            custom("area", coverage, 0.5 + 0.5 / scale)?
        }
        (Resample::Linear, true) => {
            PIXEL.set(1.0 / scale);
            custom("linear", nearness, 1.0 / scale)?
        }
        (Resample::Area, false) => custom("cubic", cubic, 2.0)?,
        (Resample::Box, true) => (FilterType::Box, 0.5),
        (Resample::Box, false) | (Resample::Bicubic, _) => (FilterType::CatmullRom, 2.0),
        (Resample::Lanczos, _) => (FilterType::Lanczos3, 3.0),
        (Resample::Bilinear, _) | (Resample::Linear, false) => (FilterType::Bilinear, 1.0),
    };
    Ok((filter, (support * scale.max(1.0)).ceil() as usize + 1))
}

thread_local! {
    /// A pixel of the source, in pixels of the result.
    static PIXEL: Cell<f64> = const { Cell::new(1.0) };
}

/// How much of a source pixel lies in a pixel of the result, whose centres are `x` apart; in pixels
/// of the result.
fn coverage(x: f64) -> f64 {
    let pixel = PIXEL.get();
    (0.5 + pixel / 2.0 - x.abs()).clamp(0.0, pixel)
}

/// How near a source pixel is whose centre is `x` away, in pixels of the result: 1 where it is
/// there, and 0 from a source pixel on.
fn nearness(x: f64) -> f64 {
    (1.0 - x.abs() / PIXEL.get()).max(0.0)
}

/// Cubic interpolation with a slope of −0.75 one pixel from the centre, as OpenCV has it.
fn cubic(x: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => (1.25 * x - 2.25) * x * x + 1.0,
        x if x < 2.0 => ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0,
        _ => 0.0,
    }
}
