//! The views of an image: the random ones of training and the fixed ones of testing.

use crate::Error;
use serde::{Deserialize, Serialize};

/// One crop of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    /// The record's number in its split.
    pub record: usize,
    /// Rows above the crop.
    pub top: usize,
    /// Columns left of the crop.
    pub left: usize,
    /// Whether the crop is mirrored left to right.
    pub flip: bool,
}

/// Every number of the training augmentation.
///
/// Krizhevsky et al. 2012, §4.1, and the authors' released code, which differ; each difference is
/// a field here. The code also divides by 1.1 after the colour noise: that is arithmetic on floats,
/// and belongs to whoever makes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Height and width of the crop.
    pub crop: [usize; 2],
    /// Which offsets are drawn.
    pub offsets: Offsets,
    /// Whether half of the crops are mirrored.
    pub flip: bool,
    /// How many consecutive images of an epoch share one offset and one flip: 32 in the original
    /// code, 1 in the paper.
    pub shared_by: usize,
    /// The colour noise, or none.
    pub color: Option<ColorNoise>,
}

/// The offsets of a random crop of height h from an image of height H (and so for the width).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offsets {
    /// 0 ≤ offset ≤ H − h: 33 × 33 places for 224 of 256, as in the original code.
    Inclusive,
    /// 0 ≤ offset < H − h: 32 × 32 places, the paper's factor 2048. (Only 0 where H = h.)
    Exclusive,
}

/// Colour noise along the eigenvectors of the RGB covariance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColorNoise {
    /// The standard deviation of each normal draw: 0.1.
    pub sigma: f64,
    /// What the draw multiplies.
    pub scale: ColorScale,
}

/// How an eigenvalue λᵢ (of the covariance of 0–255 pixels) scales its normal draw zᵢ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColorScale {
    /// Shift = Σ σ·zᵢ·√λᵢ·pᵢ: the original code. About 12, 4 and 2 grey levels on ImageNet.
    StandardDeviation,
    /// Shift = Σ σ·zᵢ·(λᵢ / 255)·pᵢ: the paper's formula, which makes sense on [0, 1] pixels only
    /// (eigenvalue λᵢ / 255² there), times 255.
    Eigenvalue,
}

/// Which views a test averages over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The centre.
    One,
    /// The four corners and the centre, then the same mirrored.
    Ten,
}

impl Offsets {
    /// How many offsets there are for a crop of `crop` ≤ `stored` rows or columns.
    pub(crate) fn count(self, stored: usize, crop: usize) -> u64 {
        let room = stored as u64 - crop as u64;
        match self {
            Self::Inclusive => room + 1,
            Self::Exclusive => room.max(1),
        }
    }
}

/// The fixed views of a test, of record 0, for images of `stored` and crops of `crop` height, width.
///
/// # Errors
/// [`Error::Crop`] where the crop is empty or does not fit.
///
/// ```
/// let views = alexnet_data::test_views([256, 256], [224, 224], alexnet_data::Views::Ten)?;
/// assert_eq!((views[4].top, views[4].left, views[4].flip), (16, 16, false)); // the centre
/// assert_eq!(views.iter().filter(|v| v.flip).count(), 5);
/// # Ok::<(), alexnet_data::Error>(())
/// ```
pub fn test_views(stored: [usize; 2], crop: [usize; 2], views: Views) -> Result<Vec<View>, Error> {
    check_crop(stored, crop, 0, 0)?;
    let (down, right) = (stored[0] - crop[0], stored[1] - crop[1]);
    let centre = (down / 2, right / 2);
    let view = |flip| move |(top, left)| View { record: 0, top, left, flip };
    Ok(match views {
        Views::One => vec![view(false)(centre)],
        Views::Ten => {
            let places = [(0, 0), (0, right), (down, 0), (down, right), centre];
            places.map(view(false)).into_iter().chain(places.map(view(true))).collect()
        }
    })
}

/// Whether a crop at an offset is not empty and lies inside the image.
pub(crate) fn check_crop(
    stored: [usize; 2],
    crop: [usize; 2],
    top: usize,
    left: usize,
) -> Result<(), Error> {
    let fits = |offset: usize, crop, stored| {
        crop > 0 && offset.checked_add(crop).is_some_and(|end| end <= stored)
    };
    if fits(top, crop[0], stored[0]) && fits(left, crop[1], stored[1]) {
        return Ok(());
    }
    Err(Error::Crop { crop, top, left, stored })
}
