//! How much decoding one image may take, which is known before it begins.

use super::error::{DecodeError, Result};

/// The default for the most pixels that an image file may have. The largest image of ImageNet has
/// about 61 million.
pub const MAX_PIXELS: usize = 64_000_000;

/// The limits of one image, all of which follow from the number of pixels it may have: with
/// [`MAX_PIXELS`], 256 MB and about two seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) pixels: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pixels: MAX_PIXELS }
    }
}

impl Limits {
    /// The most bytes that decoding may allocate.
    pub(super) fn memory(self) -> usize {
        self.pixels.saturating_mul(4)
    }

    /// Refuses an image without pixels, or with too many.
    pub(super) fn check_size(self, height: usize, width: usize) -> Result<()> {
        if height == 0 || width == 0 {
            return Err(DecodeError::broken(format_args!("{height}×{width} pixels")));
        }
        if height.saturating_mul(width) > self.pixels {
            return Err(DecodeError::TooLarge { height, width, limit: self.pixels });
        }
        Ok(())
    }

    /// Refuses to allocate more than the limit.
    pub(super) fn check_memory(self, bytes: usize) -> Result<()> {
        let (needed, limit) = (bytes.div_ceil(1_000_000), self.memory() / 1_000_000);
        let what = "MB to decode it";
        if bytes > self.memory() { Err(DecodeError::Limit { what, needed, limit }) } else { Ok(()) }
    }

    /// The same for resizing, whose memory grows with the image that is made: it may always have
    /// that of the default.
    pub(super) fn check_resizing(self, bytes: usize) -> Result<()> {
        Self { pixels: self.pixels.max(MAX_PIXELS) }.check_memory(bytes)
    }

    /// Refuses to visit more blocks than there may be pixels: 64 times each block of the largest
    /// picture, where an ordinary progressive one takes ten.
    pub(super) fn check_work(self, blocks: usize) -> Result<()> {
        let what = "blocks to decode in all scans";
        match blocks > self.pixels {
            true => Err(DecodeError::Limit { what, needed: blocks, limit: self.pixels }),
            false => Ok(()),
        }
    }
}
