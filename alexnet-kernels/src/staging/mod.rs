//! Batches on their way to a device.
//!
//! To a GPU they go through pinned memory, in a stream of their own, so that the next batch is
//! copied while the GPU computes the current one. There are two buffers (double buffering): one is
//! filled again once the GPU has read what was in it. Nothing is allocated as long as batches do
//! not grow.

pub(crate) mod batch;
#[cfg(feature = "cuda")]
mod cuda;

use candle_core::{Device, Result, Tensor, bail};

use self::batch::{DeviceBatch, HostBatch};
use crate::ops::input::window::Windows;

/// Sends batches to one device.
///
/// ```
/// use alexnet_kernels::{HostBatch, Staging};
/// use candle_core::Device;
///
/// let mut staging = Staging::new(&Device::Cpu)?;
/// let (pixels, shift, labels) = (&[7; 2 * 2 * 3], &[[0.0; 3]], &[5]);
/// let batch = HostBatch { pixels, size: [2, 2], shift, labels, windows: &[] };
/// let sent = staging.send(&batch)?;
/// assert_eq!(sent.pixels.dims(), [1, 2, 2, 3]);
/// staging.release(sent)?;
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Staging {
    device: Device,
    #[cfg(feature = "cuda")]
    pinned: Option<cuda::PinnedStaging>,
}

impl Staging {
    /// Staging for `device`.
    ///
    /// # Errors
    ///
    /// A GPU on which no second stream can be created.
    pub fn new(device: &Device) -> Result<Self> {
        Ok(Self {
            #[cfg(feature = "cuda")]
            pinned: match device {
                Device::Cuda(gpu) => Some(cuda::PinnedStaging::new(gpu)?),
                _ => None,
            },
            device: device.clone(),
        })
    }

    /// Sends a batch; `batch` may be changed as soon as this returns. At most two batches may be on
    /// a GPU at a time, so [`release`](Self::release) each before the next but one is sent.
    ///
    /// # Errors
    ///
    /// Parts whose sizes do not fit each other; no memory; a third batch on a GPU.
    pub fn send(&mut self, batch: &HostBatch<'_>) -> Result<DeviceBatch> {
        let ([h, w], b) = (batch.size, batch.labels.len());
        let (bytes, shifts, windows) = (batch.pixels.len(), batch.shift.len(), batch.windows.len());
        let fits = bytes == b * h * w * 3 && shifts == b && (windows == b || windows == 0);
        if !fits || b * h * w == 0 {
            bail!(
                "{b} labels, {shifts} colour shifts, {windows} windows and {bytes} bytes are no \
                 batch of {h}x{w} crops"
            )
        }
        #[cfg(feature = "cuda")]
        if let Some(pinned) = &mut self.pinned {
            return pinned.send(batch);
        }
        Ok(DeviceBatch {
            pixels: Tensor::from_slice(batch.pixels, (b, h, w, 3), &self.device)?,
            shift: Tensor::from_slice(batch.shift.as_flattened(), (b, 3), &self.device)?,
            labels: Tensor::from_slice(batch.labels, b, &self.device)?,
            windows: Windows::new(batch.windows, &self.device)?,
            #[cfg(feature = "cuda")]
            slot: 0,
        })
    }

    /// Releases a batch. Operations that were already asked for may still read it; later ones may
    /// not.
    ///
    /// # Errors
    ///
    /// What the driver reports.
    pub fn release(&mut self, batch: DeviceBatch) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(pinned) = &mut self.pinned {
            return pinned.release(batch.slot);
        }
        drop(batch);
        Ok(())
    }
}
