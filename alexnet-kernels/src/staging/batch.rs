//! A batch in the host's memory, and on a device.

use candle_core::Tensor;

use crate::ops::input::window::{Window, Windows};

/// A batch in the host's memory, as a loader provides it.
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
    /// Where in their images the crops were, `(B)`; empty where no operation needs it.
    pub windows: &'a [Window],
}

/// A batch on a device. The copy may still be under way: operations that read it are queued after
/// it.
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
    /// The buffer that it is in.
    #[cfg(feature = "cuda")]
    pub(crate) slot: usize,
}
