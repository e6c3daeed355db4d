//! Two buffers for batches, pinned on the host and on the GPU, and the stream that copies between
//! them.

use std::sync::Arc;

use candle_core::cuda::cudarc::driver::{
    CudaEvent, CudaStream, DeviceRepr, PinnedHostSlice, ValidAsZeroBits, result,
};
use candle_core::cuda::{CudaDevice, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{Result, Storage, Tensor, WithDType, bail};
use rayon::prelude::*;

use super::batch::{DeviceBatch, HostBatch};
use crate::cuda::gpu::Gpu;
use crate::ops::input::window::{Windows, words};

/// The double buffer of [`Staging`](crate::Staging).
pub(crate) struct PinnedStaging {
    gpu: Gpu,
    copies: Arc<CudaStream>,
    slots: [Slot; 2],
    next: usize,
}

/// One of the two buffers: memory on both sides for each part of a batch.
#[derive(Default)]
struct Slot {
    pixels: Option<Part<u8>>,
    shift: Option<Part<f32>>,
    labels: Option<Part<u32>>,
    windows: Option<Part<u32>>,
    taken: bool,
    /// When the copies are done, so that the host's side may be written again.
    copied: Option<CudaEvent>,
    /// When the GPU has read the last batch, so that its side may be written again.
    read: Option<CudaEvent>,
}

/// Memory for the same elements on both sides.
struct Part<T> {
    host: PinnedHostSlice<T>,
    device: Tensor, // (capacity)
    address: u64,
}

impl std::fmt::Debug for PinnedStaging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PinnedStaging").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Drop for PinnedStaging {
    fn drop(&mut self) {
        // A copy must not read freed memory. The error is ignored: a GPU that is lost reads
        // nothing.
        let _ = self.copies.synchronize();
    }
}

impl PinnedStaging {
    pub(crate) fn new(device: &CudaDevice) -> Result<Self> {
        let gpu = Gpu::new(device);
        let copies = gpu.stream.context().new_stream().w()?;
        Ok(Self { gpu, copies, slots: [Slot::default(), Slot::default()], next: 0 })
    }

    pub(crate) fn send(&mut self, batch: &HostBatch<'_>) -> Result<DeviceBatch> {
        let (number, [h, w], b) = (self.next, batch.size, batch.labels.len());
        let (gpu, copies, slot) = (&self.gpu, &self.copies, &mut self.slots[number]);
        if slot.taken {
            bail!("two batches are on the GPU already: release one before the next is sent")
        }
        if let Some(copied) = &slot.copied {
            copied.synchronize().w()?; // that copy was two batches ago, so this rarely waits
        }
        let windows = words(batch.windows)?;
        let fit = [
            grow(gpu, &mut slot.pixels, batch.pixels.len())?,
            grow(gpu, &mut slot.shift, 3 * b)?,
            grow(gpu, &mut slot.labels, b)?,
            windows.is_empty() || grow(gpu, &mut slot.windows, windows.len())?,
        ];
        let ready = match slot.read.take() {
            Some(read) if fit == [true; 4] => read,
            // The GPU's stream has still to allocate the new memory.
            _ => gpu.stream.record_event(None).w()?,
        };
        copies.wait(&ready).w()?;
        let pixels = fill(copies, &mut slot.pixels, batch.pixels)?;
        let shift = fill(copies, &mut slot.shift, batch.shift.as_flattened())?;
        let labels = fill(copies, &mut slot.labels, batch.labels)?;
        let on_gpu = match &windows[..] {
            [] => None,
            windows => Some(fill(copies, &mut slot.windows, windows)?.reshape((b, 3))?),
        };
        let copied = copies.record_event(None).w()?;
        gpu.stream.wait(&copied).w()?;
        slot.copied = Some(copied);
        slot.taken = true;
        self.next = (number + 1) % self.slots.len();
        Ok(DeviceBatch {
            pixels: pixels.reshape((b, h, w, 3))?,
            shift: shift.reshape((b, 3))?,
            labels,
            windows: Windows { list: batch.windows.to_vec(), on_gpu },
            slot: number,
        })
    }

    pub(crate) fn release(&mut self, number: usize) -> Result<()> {
        let read = self.gpu.stream.record_event(None).w()?;
        let Some(slot) = self.slots.get_mut(number) else { bail!("there is no slot {number}") };
        slot.read = Some(read);
        slot.taken = false;
        Ok(())
    }
}

/// Makes room for `n` elements; `true` if there was room already.
fn grow<T>(gpu: &Gpu, part: &mut Option<Part<T>>, n: usize) -> Result<bool>
where
    T: DeviceRepr + ValidAsZeroBits + WithDType,
{
    if part.as_ref().is_some_and(|part| part.host.len() >= n) {
        return Ok(true);
    }
    *part = None;
    // SAFETY: only elements that `fill` has written are copied and read.
    let host = unsafe { gpu.stream.context().alloc_pinned::<T>(n) }.w()?;
    let device = gpu.uninit(T::DTYPE, n)?;
    let (address, (storage, shape)) = (device.span.address, device.output());
    let device = Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false);
    *part = Some(Part { host, device, address });
    Ok(false)
}

/// Elements that a thread copies to pinned memory at a time.
const CHUNK: usize = 1 << 20;

/// Queues the copy of `from`; the tensor is where it will be.
fn fill<T>(copies: &CudaStream, part: &mut Option<Part<T>>, from: &[T]) -> Result<Tensor>
where
    T: DeviceRepr + ValidAsZeroBits + Copy + Send + Sync,
{
    let Some(part) = part else { bail!("a batch has no slot") };
    let n = from.len();
    let host = &mut part.host.as_mut_slice().w()?[..n];
    // On all threads, because one alone is slower than the link to the GPU.
    host.par_chunks_mut(CHUNK)
        .zip(from.par_chunks(CHUNK))
        .for_each(|(to, from)| to.copy_from_slice(from));
    // SAFETY: the part has room for `n` elements on the GPU, where nothing reads it before the
    // event after this copy; the host's side is not written before that event either, and lives
    // until the stream is done (`Drop`).
    unsafe { result::memcpy_htod_async(part.address, &*host, copies.cu_stream()) }.w()?;
    part.device.narrow(0, 0, n)
}
