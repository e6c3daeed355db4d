//! Images made small, to look at.

use super::error::{DecodeError, Result};
use super::pixels::Pixels;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

/// The image, shrunk in proportion until its longer side has at most `longest` pixels. It is for
/// people to look at: what a network sees is made by a [`Decoder`](crate::Decoder).
///
/// ```
/// let image = alexnet_data::Pixels::new(2, 4, vec![200; 2 * 4 * 3]);
/// let small = alexnet_data::thumbnail(&image, 2)?;
/// assert_eq!((small.height, small.width, small.data), (1, 2, vec![200; 2 * 3]));
/// assert_eq!(alexnet_data::thumbnail(&image, 4)?, image);
/// # Ok::<(), alexnet_data::DecodeError>(())
/// ```
///
/// # Errors
/// Pixels of another number than their height and width say.
pub fn thumbnail(image: &Pixels, longest: usize) -> Result<Pixels, DecodeError> {
    let (longest, longer) = (longest.max(1), image.height.max(image.width));
    if longer <= longest {
        return Ok(image.clone());
    }
    let shrunk = |side: usize| (side * longest).div_ceil(longer).max(1);
    let (height, width) = (shrunk(image.height), shrunk(image.width));
    let mut data = vec![0; height * width * 3];
    let (rows, columns) = (image.height as u32, image.width as u32);
    let from = TypedImageRef::<U8x3>::from_buffer(columns, rows, &image.data);
    let from = from.map_err(DecodeError::broken)?;
    let to = TypedImage::<U8x3>::from_buffer(width as u32, height as u32, &mut data);
    let mut to = to.map_err(DecodeError::broken)?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Hamming));
    Resizer::new().resize_typed(&from, &mut to, &options).map_err(DecodeError::broken)?;
    Ok(Pixels::new(height, width, data))
}
