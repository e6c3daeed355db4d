//! From the memory of one card to that of another, without waiting on the host.

use std::ops::Range;

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::cuda::cudarc::driver::{CudaEvent, result, sys};
use candle_core::cuda::{CudaDevice, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::route::Route;
use crate::cuda::gpu::{Fresh, Gpu};
use crate::cuda::launch::{Span, Storage};

/// Lets `from` write into memory of `to`, where the hardware can.
pub(crate) fn reach(from: &CudaDevice, to: &CudaDevice) -> Result<Route> {
    let [from, to] = [from, to].map(|gpu| gpu.cuda_stream().context().cu_device());
    if from == to {
        return Ok(Route::Gpu);
    }
    let mut can = 0;
    // SAFETY: both come from open devices, and the driver writes one number.
    unsafe { sys::cuDeviceCanAccessPeer(&raw mut can, from, to) }.result().w()?;
    if can == 0 {
        return Ok(Route::Host);
    }
    // A `CUmemAccessDesc`: a location, which is its kind and the device's number, and the rights. Written as numbers
    // because its fields have other names in each version of the interface, while its memory is the same.
    let device = sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE as u32;
    let both = sys::CUmemAccess_flags::CU_MEM_ACCESS_FLAGS_PROT_READWRITE as u32;
    let rights: [u32; 3] = [device, from as u32, both];
    const { assert!(size_of::<sys::CUmemAccessDesc>() == size_of::<[u32; 3]>()) };
    // SAFETY: the pool is the driver's own, out of which all tensors of `to` are made; `rights` is one description of
    // the size and form that the driver reads, see above.
    unsafe {
        let pool = result::device::get_default_mem_pool(to).w()?;
        sys::cuMemPoolSetAccess(pool, rights.as_ptr().cast(), 1).result().w()?;
    }
    Ok(Route::Peer)
}

/// The given columns of `x`, rows of channels whose memory is dense: a copy. candle's own copy of a view would send the
/// view's sizes to the card each time, from memory that can move.
pub(crate) fn take_columns(x: &Tensor, columns: Range<usize>) -> Result<Tensor> {
    x.apply_op1_no_bwd(&Take(columns))
}

struct Take(Range<usize>);

impl CustomOp1 for Take {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("take: this is the card's way; the processor has its own")
    }

    fn cuda_fwd(&self, x: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        let Some((start, end)) = l.contiguous_offsets() else {
            return Err(candle_core::Error::RequiresContiguous { op: "take" }.bt());
        };
        let (Self(columns), mut dims) = (self, l.dims().to_vec());
        let Some(last) = dims.last_mut() else { bail!("take: there are no columns") };
        let all = std::mem::replace(last, columns.len());
        if columns.end > all {
            bail!("take: columns {columns:?} of {all}")
        }
        let (rows, shape) = ((end - start) / all.max(1), Shape::from(dims));
        // SAFETY: the copy below writes all of it: `rows` rows of as many elements as there are columns.
        let mut taken = unsafe { x.device().alloc_uninit(&shape, x.dtype())? };
        x.copy2d(&mut taken, rows, columns.len(), all, columns.len(), start + columns.start, 0)?;
        Ok((taken, shape))
    }
}

/// Memory on one gpu, and what is to be copied there from another.
struct Move {
    from: Gpu,
    source: Span,
    to: Gpu,
    copy: Fresh,
    /// When the stream of `to` has the memory.
    there: CudaEvent,
    storage: Storage,
    shape: Shape,
}

/// Copies of tensors, whose memory is dense, on other cards. Each is made by the stream of its source, which then frees
/// or overwrites the source only after it; the stream of the other card waits for it with all that comes behind.
pub(crate) fn send_all(moves: &[(Tensor, &CudaDevice)]) -> Result<Vec<Tensor>> {
    let moves = moves.iter().map(|(x, to)| prepare(x, to)).collect::<Result<Vec<_>>>()?;
    let mut copied = Vec::with_capacity(moves.len());
    let mut begun = Vec::with_capacity(moves.len());
    for mut step in moves {
        copied.push(step.begin()?);
        begun.push(step);
    }
    for (step, copied) in begun.iter().zip(&copied) {
        step.to.stream.wait(copied).w()?;
    }
    Ok(begun.into_iter().map(Move::finish).collect())
}

fn prepare(x: &Tensor, to: &CudaDevice) -> Result<Move> {
    let (storage, l) = x.storage_and_layout();
    let candle_core::Storage::Cuda(storage) = &*storage else { bail!("send: not a card's tensor") };
    let (from, to) = (Gpu::of(storage), Gpu { device: to.clone(), stream: to.cuda_stream() });
    let (source, storage) = {
        let reading = from.read("send", storage, l)?;
        (reading.span, reading.storage)
    };
    let copy = to.fresh(storage, source.length as usize)?;
    let there = to.stream.record_event(None).w()?;
    Ok(Move { from, source, to, copy, there, storage, shape: l.shape().clone() })
}

impl Move {
    /// Puts the copy into the source's stream, and says when it is made.
    fn begin(&mut self) -> Result<CudaEvent> {
        let Self { from, source, to, copy, there, storage, .. } = self;
        from.stream.wait(there).w()?;
        let target = copy.writing(to).span;
        from.stream.context().bind_to_thread().w()?;
        // SAFETY: both are live memory of as many bytes: the caller holds the source, this the target. The source's
        // stream makes the copy after what wrote the source and, by the first line, after the other card's stream has
        // the new memory; that stream uses it after the event below.
        unsafe {
            result::memcpy_peer_async(
                to.stream.context().cu_ctx(),
                target.address,
                from.stream.context().cu_ctx(),
                source.address,
                source.length as usize * storage.bytes(),
                from.stream.cu_stream(),
            )
        }
        .w()?;
        from.stream.record_event(None).w()
    }

    fn finish(self) -> Tensor {
        let copy = candle_core::Storage::Cuda(self.copy.finish(&self.to));
        Tensor::from_storage(copy, self.shape, BackpropOp::none(), false)
    }
}
