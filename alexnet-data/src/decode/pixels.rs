//! A decoded image.

use super::error::{DecodeError, Result};

/// The most pixels that an image file may have: 100 million, which are 300 MB as RGB. The largest
/// image of ImageNet has about 61 million.
pub const MAX_PIXELS: usize = 100_000_000;

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// height × width × 3 bytes: rows first, then columns, then R, G, B.
    pub data: Vec<u8>,
    /// The fault of a damaged file that could be decoded all the same.
    pub damage: Option<String>,
}

impl Pixels {
    /// An undamaged image of `height` × `width` pixels.
    pub fn new(height: usize, width: usize, data: Vec<u8>) -> Self {
        Self { height, width, data, damage: None }
    }
}

/// Refuses an image without pixels, or with more than [`MAX_PIXELS`].
pub(super) fn check_size(height: usize, width: usize) -> Result<()> {
    if height == 0 || width == 0 {
        return Err(DecodeError::broken(format_args!("{height}×{width} pixels")));
    }
    if height.saturating_mul(width) > MAX_PIXELS {
        return Err(DecodeError::TooLarge { height, width, limit: MAX_PIXELS });
    }
    Ok(())
}
