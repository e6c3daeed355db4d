//! Data augmentation: the random crops of training, and the fixed crops of testing.

use crate::draws::{below, uniform};
use crate::error::{Error, Result};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// One crop of one record, perhaps mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct View {
    /// The record's number in its split.
    pub record: usize,
    /// Rows above the crop, or above the part that is resized to it.
    pub top: usize,
    /// Columns left of it.
    pub left: usize,
    /// Height and width of a part that is resized to the crop; `None` where the crop is cut out as
    /// it is.
    pub resized_from: Option<[usize; 2]>,
    /// Whether the crop is mirrored left to right.
    pub flip: bool,
}

/// The parameters of the training augmentation.
///
/// Sources: Krizhevsky et al. 2012, §4.1, and the authors' released code. Where the two differ, a
/// field says which one to follow. The code also divides by 1.1 after the colour noise, which is
/// left to the conversion of pixels to floats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Height and width of the crop.
    pub crop: [usize; 2],
    /// The range of the crop's offsets.
    pub offsets: Offsets,
    /// Where parts of a random size are resized to the crop, which parts.
    pub resized: Option<ResizedCrop>,
    /// Whether half of the crops, chosen at random, are mirrored left to right.
    pub flip: bool,
    /// How many consecutive images of an epoch share one offset and one flip: 32 in the code, 1 in
    /// the paper.
    pub shared_by: usize,
    /// The colour noise, if any.
    pub color: Option<ColorNoise>,
}

/// The offsets of a random crop of height h in an image of height H, and likewise of the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offsets {
    /// 0 ≤ offset ≤ H − h: 33 × 33 positions for 224 of 256, as in the code.
    Inclusive,
    /// 0 ≤ offset < H − h: 32 × 32 positions, which with mirroring are the 2048 of the paper. Where
    /// H = h, the offset is 0.
    Exclusive,
    /// (H − h) / 2 alone, as in testing.
    Centre,
}

/// Parts of random size and proportion, which are resized to the crop by bilinear interpolation, as
/// torchvision's `RandomResizedCrop` does (after Szegedy et al. 2014, §6).
///
/// Area and the logarithm of the proportion are uniform. After ten parts that do not fit, the
/// largest central part is taken whose proportion is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResizedCrop {
    /// The least and the largest area, as shares of the image's: 0.08 and 1 in torchvision.
    pub area: [f64; 2],
    /// The least and the largest width over height: 3/4 and 4/3.
    pub ratio: [f64; 2],
}

impl ResizedCrop {
    /// Whether both are ranges of numbers above 0, and the area is not more than the image's.
    pub fn is_valid(&self) -> bool {
        let range = |[least, most]: [f64; 2]| least > 0.0 && least <= most && most.is_finite();
        range(self.area) && self.area[1] <= 1.0 && range(self.ratio)
    }

    /// Draws a part of an image of `stored` pixels: its offsets, its height and width.
    pub(crate) fn draw(
        &self,
        stored: [usize; 2],
        rng: &mut ChaCha8Rng,
    ) -> ([usize; 2], [usize; 2]) {
        let [height, width] = stored.map(|side| side as f64);
        let [narrow, wide] = self.ratio.map(f64::ln);
        for _ in 0..10 {
            let area = height * width * uniform(rng, self.area);
            let ratio = uniform(rng, [narrow, wide]).exp();
            let part = [area / ratio, area * ratio].map(|square| square.sqrt().round() as usize);
            if (1..=stored[0]).contains(&part[0]) && (1..=stored[1]).contains(&part[1]) {
                let place =
                    [0, 1].map(|axis| below(rng, (stored[axis] - part[axis]) as u64 + 1) as usize);
                return (place, part);
            }
        }
        let part = match width / height {
            ratio if ratio < self.ratio[0] => [(width / self.ratio[0]).round(), width],
            ratio if ratio > self.ratio[1] => [height, (height * self.ratio[1]).round()],
            _ => [height, width],
        };
        let part = [0, 1].map(|axis| (part[axis] as usize).clamp(1, stored[axis]));
        ([0, 1].map(|axis| (stored[axis] - part[axis]) / 2), part)
    }
}

/// Colour noise along the eigenvectors of the RGB covariance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColorNoise {
    /// The standard deviation of each normal draw: 0.1 in the paper.
    pub sigma: f64,
    /// How an eigenvalue scales its draw.
    pub scale: ColorScale,
}

/// How an eigenvalue λᵢ scales its normal draw zᵢ along the eigenvector pᵢ; both are of the
/// covariance of pixel values from 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColorScale {
    /// Shift = Σ σ·zᵢ·√λᵢ·pᵢ, as in the code: about 12, 4 and 2 levels of 255 on ImageNet.
    StandardDeviation,
    /// Shift = Σ σ·zᵢ·(λᵢ / 255)·pᵢ, the formula of the paper. It is meant for pixel values from 0
    /// to 1, where the eigenvalue is λᵢ / 255², so the result is multiplied by 255.
    Eigenvalue,
}

/// The crops over which a test averages its predictions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The centre crop.
    One,
    /// The centre crop and its mirror image.
    Two,
    /// A grid of 3 × 3 crops from edge to edge, not mirrored: how the authors' later code tests on
    /// CIFAR-10.
    Nine,
    /// The four corners and the centre, and then the same five mirrored: the test of the paper.
    Ten,
    /// The crop at every offset, and then all of them mirrored: whatever training can draw with
    /// [`Offsets::Inclusive`], 2,178 views for 224 of 256 pixels.
    All,
}

impl Offsets {
    /// The number of offsets for a crop of `crop` ≤ `stored` rows or columns.
    pub(crate) fn count(self, stored: usize, crop: usize) -> u64 {
        let room = stored as u64 - crop as u64;
        match self {
            Self::Inclusive => room + 1,
            Self::Exclusive => room.max(1),
            Self::Centre => 1,
        }
    }

    /// The smallest of them.
    pub(crate) fn first(self, stored: usize, crop: usize) -> usize {
        if self == Self::Centre { (stored - crop) / 2 } else { 0 }
    }
}

/// The fixed crops of a test, all of record 0, for images of `stored` and crops of `crop` (height,
/// width) pixels.
///
/// # Errors
/// [`Error::Crop`] where the crop is empty or does not fit.
///
/// ```
/// let views = alexnet_data::test_views([256, 256], [224, 224], alexnet_data::Views::Ten)?;
/// assert_eq!((views[4].top, views[4].left, views[4].flip), (16, 16, false)); // the centre
/// assert_eq!(views.iter().filter(|v| v.flip).count(), 5);
/// // Of crops as large as the image, ten views are it and its mirror image, five times each.
/// let whole = alexnet_data::test_views([32, 32], [32, 32], alexnet_data::Views::Ten)?;
/// assert!(whole.iter().all(|v| (v.top, v.left) == (0, 0)));
/// # Ok::<(), alexnet_data::Error>(())
/// ```
pub fn test_views(stored: [usize; 2], crop: [usize; 2], views: Views) -> Result<Vec<View>> {
    check_crop(stored, crop, 0, 0)?;
    let (down, right) = (stored[0] - crop[0], stored[1] - crop[1]);
    let centre = (down / 2, right / 2);
    let grid = |rows: &[usize], columns: &[usize]| -> Vec<_> {
        rows.iter().flat_map(|&top| columns.iter().map(move |&left| (top, left))).collect()
    };
    let (places, mirrored) = match views {
        Views::One => (vec![centre], false),
        Views::Two => (vec![centre], true),
        Views::Nine => (grid(&[0, centre.0, down], &[0, centre.1, right]), false),
        Views::Ten => (vec![(0, 0), (0, right), (down, 0), (down, right), centre], true),
        Views::All => (grid(&Vec::from_iter(0..=down), &Vec::from_iter(0..=right)), true),
    };
    let flips = if mirrored { &[false, true][..] } else { &[false] };
    let view = |flip, (top, left)| View { record: 0, top, left, resized_from: None, flip };
    let of_flip = |&flip: &bool| places.iter().map(move |&place| view(flip, place));
    Ok(flips.iter().flat_map(of_flip).collect())
}

/// Refuses a crop that is empty or reaches outside of the image.
pub(crate) fn check_crop(
    stored: [usize; 2],
    crop: [usize; 2],
    top: usize,
    left: usize,
) -> Result<()> {
    let fits = |offset: usize, crop, stored| {
        crop > 0 && offset.checked_add(crop).is_some_and(|end| end <= stored)
    };
    if fits(top, crop[0], stored[0]) && fits(left, crop[1], stored[1]) {
        return Ok(());
    }
    Err(Error::Crop { crop, top, left, stored })
}
