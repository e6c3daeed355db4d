//! Batches on their way to a device.
//!
//! To a card they go through memory that the system does not move, on a stream of their own: the next batch is copied
//! while the card works on this one. There are two places for a batch; a place is used again once the card has read
//! what lay there, and nothing is allocated as long as batches do not grow.

#[cfg(feature = "cuda")]
mod cuda;

use candle_core::{Device, Result, Tensor, bail};

use crate::cpu::pool::{recycle, upload};
use crate::ops::input::window::Window;

/// A batch in the host's memory.
#[derive(Debug, Clone, Copy)]
pub struct HostBatch<'a> {
    /// Crops, (B, H, W, 3), row-major.
    pub pixels: &'a [u8],
    /// Height and width of a crop.
    pub size: [usize; 2],
    /// Colour shifts, (B).
    pub shift: &'a [[f32; 3]],
    /// Classes, (B).
    pub labels: &'a [u32],
    /// Where in their images the crops were, (B), for [`Input::forward_aligned_batch`](crate::Input); none where
    /// nobody will ask.
    pub windows: &'a [Window],
}

/// The same on a device, or on its way there: whatever reads it there comes after it.
#[derive(Debug)]
pub struct DeviceBatch {
    /// (B, H, W, 3) u8.
    pub pixels: Tensor,
    /// (B, 3) f32.
    pub shift: Tensor,
    /// (B) u32.
    pub labels: Tensor,
    /// As it was sent.
    pub(crate) windows: Vec<Window>,
    /// The same on a gpu, (B, 3) u32: top, left, whether it is mirrored.
    #[cfg(feature = "cuda")]
    pub(crate) windows_there: Option<Tensor>,
    #[cfg(feature = "cuda")]
    pub(crate) place: usize,
}

/// The way to one device.
#[derive(Debug)]
pub struct Transfer {
    device: Device,
    #[cfg(feature = "cuda")]
    places: Option<cuda::Places>,
}

impl Transfer {
    /// A way to `device`.
    ///
    /// # Errors
    ///
    /// A card without another stream.
    pub fn new(device: &Device) -> Result<Self> {
        Ok(Self {
            #[cfg(feature = "cuda")]
            places: match device {
                Device::Cuda(gpu) => Some(cuda::Places::new(gpu)?),
                _ => None,
            },
            device: device.clone(),
        })
    }

    /// Sends a batch. `batch` may be changed as soon as this returns. At most two batches may be on a card at a time:
    /// [`release`](Self::release) each before the next but one is sent.
    ///
    /// # Errors
    ///
    /// Parts whose sizes do not fit each other; no memory; a third batch on a gpu.
    pub fn send(&mut self, batch: &HostBatch<'_>) -> Result<DeviceBatch> {
        let ([h, w], b) = (batch.size, batch.labels.len());
        let (bytes, shifts, windows) = (batch.pixels.len(), batch.shift.len(), batch.windows.len());
        if bytes != b * h * w * 3 || shifts != b || b * h * w == 0 || (windows != b && windows != 0)
        {
            bail!(
                "{b} labels, {shifts} colour shifts, {windows} windows and {bytes} bytes are no batch of {h}x{w} crops"
            )
        }
        #[cfg(feature = "cuda")]
        if let Some(places) = &mut self.places {
            return places.send(batch);
        }
        Ok(DeviceBatch {
            pixels: upload(batch.pixels, (b, h, w, 3), &self.device)?,
            shift: Tensor::from_slice(batch.shift.as_flattened(), (b, 3), &self.device)?,
            labels: Tensor::from_slice(batch.labels, b, &self.device)?,
            windows: batch.windows.to_vec(),
            #[cfg(feature = "cuda")]
            windows_there: None,
            #[cfg(feature = "cuda")]
            place: 0,
        })
    }

    /// Gives back a batch that nothing that is yet to be asked for will read.
    ///
    /// # Errors
    ///
    /// A card that is lost.
    pub fn release(&mut self, batch: DeviceBatch) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(places) = &mut self.places {
            return places.release(batch.place);
        }
        recycle(batch.pixels);
        Ok(())
    }
}
