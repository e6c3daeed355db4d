//! Two places for batches on a gpu, and the stream that fills them.

use std::sync::Arc;

use candle_core::cuda::cudarc::driver::{
    CudaEvent, CudaStream, DevicePtr, DeviceRepr, PinnedHostSlice, ValidAsZeroBits, result,
};
use candle_core::cuda::{CudaDType, CudaDevice, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, Result, Storage, Tensor, bail};
use rayon::prelude::*;

use crate::cuda::gpu::Gpu;
use crate::ops::input::window::window_words;
use crate::staging::{DeviceBatch, HostBatch};

/// See [`Transfer`](crate::Transfer).
pub(crate) struct Places {
    gpu: Gpu,
    copies: Arc<CudaStream>,
    places: [Place; 2],
    next: usize,
}

/// One place: a buffer on both sides for each part of a batch.
#[derive(Default)]
struct Place {
    pixels: Option<Part<u8>>,
    shift: Option<Part<f32>>,
    labels: Option<Part<u32>>,
    windows: Option<Part<u32>>,
    taken: bool,
    /// The copies here are done: the host's side may be written.
    copied: Option<CudaEvent>,
    /// The card has read what lay here: its side may be written.
    read: Option<CudaEvent>,
}

/// Elements on both sides.
struct Part<T> {
    host: PinnedHostSlice<T>,
    device: Tensor, // (capacity)
    address: u64,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // Memory that a copy still reads must not go; a card that is lost reads none.
        let _ = self.copies.synchronize();
    }
}

impl Places {
    pub(crate) fn new(device: &CudaDevice) -> Result<Self> {
        let (device, stream) = (device.clone(), device.cuda_stream());
        let copies = stream.context().new_stream().w()?;
        let places = [Place::default(), Place::default()];
        Ok(Self { gpu: Gpu { device, stream }, copies, places, next: 0 })
    }

    pub(crate) fn send(&mut self, batch: &HostBatch<'_>) -> Result<DeviceBatch> {
        let (number, [h, w], b) = (self.next, batch.size, batch.labels.len());
        let (gpu, copies, place) = (&self.gpu, &self.copies, &mut self.places[number]);
        if place.taken {
            bail!("two batches are on the card already: release one before the next is sent")
        }
        if let Some(copied) = &place.copied {
            copied.synchronize().w()?; // two batches ago: there is nothing to wait for
        }
        let windows = window_words(batch.windows)?;
        let fit = [
            grow(gpu, &mut place.pixels, batch.pixels.len())?,
            grow(gpu, &mut place.shift, 3 * b)?,
            grow(gpu, &mut place.labels, b)?,
            windows.is_empty() || grow(gpu, &mut place.windows, windows.len())?,
        ];
        let ready = match place.read.take() {
            Some(read) if fit == [true; 4] => read,
            // New memory is there when the card's stream gets to its allocation.
            _ => gpu.stream.record_event(None).w()?,
        };
        copies.wait(&ready).w()?;
        let pixels = fill(copies, &mut place.pixels, batch.pixels)?;
        let shift = fill(copies, &mut place.shift, batch.shift.as_flattened())?;
        let labels = fill(copies, &mut place.labels, batch.labels)?;
        let windows_there = if windows.is_empty() {
            None
        } else {
            Some(fill(copies, &mut place.windows, &windows)?.reshape((b, 3))?)
        };
        let copied = copies.record_event(None).w()?;
        gpu.stream.wait(&copied).w()?;
        place.copied = Some(copied);
        place.taken = true;
        self.next = (number + 1) % self.places.len();
        Ok(DeviceBatch {
            pixels: pixels.reshape((b, h, w, 3))?,
            shift: shift.reshape((b, 3))?,
            labels,
            windows: batch.windows.to_vec(),
            windows_there,
            place: number,
        })
    }

    pub(crate) fn release(&mut self, number: usize) -> Result<()> {
        let read = self.gpu.stream.record_event(None).w()?;
        let Some(place) = self.places.get_mut(number) else { bail!("there is no place {number}") };
        place.read = Some(read);
        place.taken = false;
        Ok(())
    }
}

/// Makes room for `n` elements; whether there was.
fn grow<T>(gpu: &Gpu, part: &mut Option<Part<T>>, n: usize) -> Result<bool>
where
    T: DeviceRepr + ValidAsZeroBits + CudaDType,
{
    if part.as_ref().is_some_and(|part| part.host.len() >= n) {
        return Ok(true);
    }
    *part = None;
    // SAFETY: `fill` writes what is then copied and read, and no more.
    let host = unsafe { gpu.stream.context().alloc_pinned::<T>(n) }.w()?;
    let device = gpu.fresh_as::<T>(n)?;
    let (address, until) = device.device_ptr(&gpu.stream);
    drop(until);
    let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(device, gpu.device.clone()));
    let device = Tensor::from_storage(storage, n, BackpropOp::none(), false);
    *part = Some(Part { host, device, address });
    Ok(false)
}

/// Bytes that a thread takes at a time on the way to memory that does not move.
const CHUNK: usize = 1 << 20;

/// Puts the copy of `from` into the stream of copies, and gives what will hold it.
fn fill<T>(copies: &CudaStream, part: &mut Option<Part<T>>, from: &[T]) -> Result<Tensor>
where
    T: DeviceRepr + ValidAsZeroBits + Copy + Send + Sync,
{
    let Some(part) = part else { bail!("a batch has no place") };
    let n = from.len();
    let host = &mut part.host.as_mut_slice().w()?[..n];
    // On all threads: one alone is slower than the link to the gpu.
    host.par_chunks_mut(CHUNK)
        .zip(from.par_chunks(CHUNK))
        .for_each(|(to, from)| to.copy_from_slice(from));
    // SAFETY: the part has room for `n` elements on the gpu, where nothing reads it before the event behind this
    // copy; the host's side is not written before that event either, and lives until the stream is done (`Drop`).
    unsafe { result::memcpy_htod_async(part.address, &*host, copies.cu_stream()) }.w()?;
    part.device.narrow(0, 0, n)
}
