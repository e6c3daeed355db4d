//! A batch on a device.

use candle_core::Tensor;

use crate::ops::input::window::{Window, Windows};

/// A batch in the host's memory, as a loader holds it.
#[derive(Debug, Clone, Copy)]
pub struct HostBatch<'a> {
    /// Crops, `(B, H, W, 3)`, row-major.
    pub pixels: &'a [u8],
    /// Height and width of a crop.
    pub size: [usize; 2],
    /// Colour shifts, `(B)`.
    pub shift: &'a [[f32; 3]],
    /// Classes, `(B)`.
    pub labels: &'a [u32],
    /// Where in their images the crops were, `(B)`; none where nobody will ask.
    pub windows: &'a [Window],
}

/// A batch on a device, or on its way there: whatever reads it there comes after it.
#[derive(Debug)]
pub struct DeviceBatch {
    /// `(B, H, W, 3)` u8.
    pub pixels: Tensor,
    /// `(B, 3)` f32.
    pub shift: Tensor,
    /// `(B)` u32.
    pub labels: Tensor,
    /// Where in their images the crops were.
    pub windows: Windows,
    /// Which of the two buffers it is in.
    #[cfg(feature = "cuda")]
    pub(crate) slot: usize,
}
