//! From the memory of one card to that of another, without waiting on the host.

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{CudaSlice, CudaStream, DeviceRepr, result, sys};
use candle_core::cuda::{CudaDType, CudaDevice, CudaStorageSlice, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, Result, Storage, Tensor, bail};

use super::card::{Card, part};
use crate::crossing::Route;

/// Lets `from` write into memory of `to`, where the hardware can.
pub(crate) fn reach(from: &CudaDevice, to: &CudaDevice) -> Result<Route> {
    let [from, to] = [from, to].map(|card| card.cuda_stream().context().cu_device());
    if from == to {
        return Ok(Route::Card);
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

/// A copy on the card `to` of `x`, whose memory is dense. It is made by the stream of `x`, which then frees or
/// overwrites `x` only after it; the stream of `to` waits for it with all that comes behind.
pub(crate) fn send(x: &Tensor, to: &CudaDevice) -> Result<Tensor> {
    let (storage, l) = x.storage_and_layout();
    let Storage::Cuda(storage) = &*storage else { bail!("send: not a card's tensor") };
    let Some(range) = l.contiguous_offsets() else {
        return Err(candle_core::Error::RequiresContiguous { op: "send" }.bt());
    };
    let (from, to) = (Card::of(storage), Card { device: to.clone(), stream: to.cuda_stream() });
    let copy = match &storage.slice {
        CudaStorageSlice::F32(x) => copy(x, range, &from, &to)?,
        CudaStorageSlice::BF16(x) => copy(x, range, &from, &to)?,
        CudaStorageSlice::U8(x) => copy(x, range, &from, &to)?,
        CudaStorageSlice::U32(x) => copy(x, range, &from, &to)?,
        _ => bail!("send: expected f32, bf16, u8 or u32, got {:?}", storage.dtype()),
    };
    Ok(Tensor::from_storage(Storage::Cuda(copy), l.shape().clone(), BackpropOp::none(), false))
}

fn copy<T: CudaDType + DeviceRepr>(
    x: &CudaSlice<T>,
    range: (usize, usize),
    from: &Card,
    to: &Card,
) -> Result<CudaStorage> {
    let mut copy = to.fresh_as::<T>(range.1 - range.0)?;
    {
        let ((source, _source), target) = (part(x, range, &from.stream), to.write(&mut copy));
        wait(&from.stream, &to.stream)?; // until the new memory is there
        from.stream.context().bind_to_thread().w()?;
        // SAFETY: both are live memory of as many bytes; the source's stream makes the copy after what wrote the
        // source and, by the line above, after `to` has the new memory; by the line below, `to` uses it after that.
        unsafe {
            result::memcpy_peer_async(
                to.stream.context().cu_ctx(),
                target.span.address,
                from.stream.context().cu_ctx(),
                source.address,
                source.length as usize * size_of::<T>(),
                from.stream.cu_stream(),
            )
        }
        .w()?;
        wait(&to.stream, &from.stream)?;
    }
    Ok(CudaStorage::wrap_cuda_slice(copy, to.device.clone()))
}

/// What is put into `stream` from now on waits for what is in `other` now. The host does not.
fn wait(stream: &CudaStream, other: &CudaStream) -> Result<()> {
    other.context().bind_to_thread().w()?;
    let event = other.record_event(None).w()?; // freed by the driver once it has served
    stream.wait(&event).w()
}
