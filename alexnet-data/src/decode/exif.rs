//! The orientation that a camera noted in an image's EXIF data.

use super::pixels::Pixels;
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use serde::{Deserialize, Serialize};

/// What is done with the orientation in an image's EXIF data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exif {
    /// The pixels are used as they are in the file, as the authors did.
    #[default]
    Ignore,
    /// The image is turned upright first.
    Apply,
}

/// Whether [`upright`] makes a turned copy of an image with this EXIF `chunk`.
pub(super) fn is_turned(exif: Exif, chunk: Option<&[u8]>) -> bool {
    let orientation = chunk.and_then(Orientation::from_exif_chunk);
    exif == Exif::Apply && orientation.is_some_and(|o| o != Orientation::NoTransforms)
}

/// Turns an image upright if `exif` says so and the EXIF `chunk` has a valid orientation.
pub(super) fn upright(pixels: Pixels, exif: Exif, chunk: Option<&[u8]>) -> Pixels {
    let chunk = chunk.filter(|_| exif == Exif::Apply);
    let Some(orientation) = chunk.and_then(Orientation::from_exif_chunk) else { return pixels };
    let Pixels { height, width, data, damage } = pixels;
    let Some(image) = RgbImage::from_raw(width as u32, height as u32, data) else {
        // The number of pixels is not the header's, which `Squarer` reports.
        return Pixels { height, width, data: Vec::new(), damage };
    };
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    let (height, width) = (image.height() as usize, image.width() as usize);
    Pixels { height, width, data: image.into_rgb8().into_raw(), damage }
}
