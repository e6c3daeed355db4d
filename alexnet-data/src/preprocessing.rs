//! Everything that decides which pixels an image file becomes.

use crate::decode::Decoder;
use crate::decode::exif::Exif;
use crate::decode::resample::Resample;
use crate::decode::square::Crop;
use serde::{Deserialize, Serialize};

/// Everything that decides which pixels an image file becomes: how the records of a dataset were
/// made, and how an image for a network that was trained on them has to be.
///
/// ```
/// use alexnet_data::{Crop, Exif, Preprocessing, Resample};
///
/// let (resample, crop) = (Resample::Area, Crop::Centre);
/// let ignored = Preprocessing { height: 256, width: 256, resample, crop, exif: Exif::Ignore };
/// let applied = Preprocessing { exif: Exif::Apply, ..ignored };
/// let difference = ignored.difference(&applied).expect("they differ");
/// assert_eq!(difference, ["--exif ignore", "--exif apply"]);
/// assert_eq!(ignored.difference(&ignored), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// Rows of the result.
    pub height: usize,
    /// Columns of the result.
    pub width: usize,
    /// How the image is resized.
    pub resample: Resample,
    /// Which part of the resized image is kept.
    pub crop: Crop,
    /// What is done with EXIF orientation.
    pub exif: Exif,
}

impl Preprocessing {
    /// A decoder that makes these pixels of image files.
    pub fn decoder(&self) -> Decoder {
        let Self { height, width, resample, crop, exif } = *self;
        Decoder::new(height.min(width), exif).with_resize(resample, crop)
    }

    /// The first setting in which `other` differs, here and there, as preparations are told it.
    pub fn difference(&self, other: &Self) -> Option<[String; 2]> {
        let settings = |it: &Self| {
            let Self { height, width, resample, crop, exif } = *it;
            let size = if height == width {
                format!("--size {height}")
            } else {
                format!("{height} × {width} pixels")
            };
            let exif = match exif {
                Exif::Ignore => "--exif ignore",
                Exif::Apply => "--exif apply",
            };
            let crop = match crop {
                Crop::Centre => "--resize crop",
                Crop::Torchvision => "--resize torchvision",
                Crop::Whole => "--resize warp",
            };
            let resample = format!("--resample {}", resample.name());
            [size, crop.to_owned(), resample, exif.to_owned()]
        };
        let pairs = settings(self).into_iter().zip(settings(other));
        pairs.map(|(here, there)| [here, there]).find(|[here, there]| here != there)
    }
}
