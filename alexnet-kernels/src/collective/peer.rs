//! Copies from the memory of one GPU to that of another, for which the host does not wait.

use candle_core::cuda::cudarc::driver::{CudaEvent, result, sys};
use candle_core::cuda::{CudaDevice, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{Result, Storage, Tensor, bail};

use crate::cuda::gpu::{Gpu, Reading, Uninit};
use crate::op::Input;

/// Whether both are one GPU, opened twice.
pub(super) fn is_one_gpu(a: &CudaDevice, b: &CudaDevice) -> bool {
    a.cuda_stream().context().cu_device() == b.cuda_stream().context().cu_device()
}

/// Lets `from` write into memory of `to`, another GPU; `false` where the hardware cannot.
pub(super) fn enable_access(from: &CudaDevice, to: &CudaDevice) -> Result<bool> {
    let [from, to] = [from, to].map(|gpu| gpu.cuda_stream().context().cu_device());
    let mut can = 0;
    // SAFETY: both come from open devices, and the driver writes one number.
    unsafe { sys::cuDeviceCanAccessPeer(&raw mut can, from, to) }.result().w()?;
    if can == 0 {
        return Ok(false);
    }
    // A `CUmemAccessDesc`: a location, which is its kind and the device's number, and the rights.
    // We write it as numbers because each version of the interface names its fields differently,
    // while its layout is the same.
    let device = sys::CUmemLocationType::CU_MEM_LOCATION_TYPE_DEVICE as u32;
    let both = sys::CUmemAccess_flags::CU_MEM_ACCESS_FLAGS_PROT_READWRITE as u32;
    let rights: [u32; 3] = [device, from as u32, both];
    const { assert!(size_of::<sys::CUmemAccessDesc>() == size_of::<[u32; 3]>()) };
    // SAFETY: the pool is the driver's own, from which all tensors of `to` are allocated; `rights`
    // is one description of the size and layout that the driver reads, see above.
    unsafe {
        let pool = result::device::get_default_mem_pool(to).w()?;
        sys::cuMemPoolSetAccess(pool, rights.as_ptr().cast(), 1).result().w()?;
    }
    Ok(true)
}

/// A copy on its way from one GPU to another.
struct PeerCopy {
    from: Gpu,
    source: Reading,
    to: Gpu,
    target: Uninit,
    /// When the stream of `to` has allocated the target.
    allocated: CudaEvent,
}

/// Copies of tensors, whose memory is dense, on other GPUs.
///
/// The stream of a source makes its copy, so that stream frees or overwrites the source only after
/// the copy; the stream of the target waits for the copy before all that it is asked for from now
/// on.
pub(super) fn copy_to_gpus(moves: &[(Tensor, &CudaDevice)]) -> Result<Vec<Tensor>> {
    let copies = moves.iter().map(|(x, to)| PeerCopy::new(x, to)).collect::<Result<Vec<_>>>()?;
    let done = copies.iter().map(PeerCopy::queue).collect::<Result<Vec<_>>>()?;
    for (copy, done) in copies.iter().zip(&done) {
        copy.to.stream.wait(done).w()?;
    }
    Ok(copies.into_iter().map(PeerCopy::finish).collect())
}

impl PeerCopy {
    /// Allocates the target.
    fn new(x: &Tensor, to: &CudaDevice) -> Result<Self> {
        let (storage, layout) = x.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else { bail!("copy: the tensor is not on a GPU") };
        let (from, to) = (Gpu::of(storage), Gpu::new(to));
        let source = from.read(&Input { op: "copy", storage, layout })?;
        let target = to.uninit(source.storage, layout.shape())?;
        let allocated = to.stream.record_event(None).w()?;
        Ok(Self { from, source, to, target, allocated })
    }

    /// Queues the copy in the source's stream; the event is when it is done.
    fn queue(&self) -> Result<CudaEvent> {
        let Self { from, source, to, target, allocated } = self;
        from.stream.wait(allocated).w()?;
        from.stream.context().bind_to_thread().w()?;
        // SAFETY: both are live memory of as many bytes: the caller holds the source, `self` the
        // target. The source's stream makes the copy after what wrote the source and, by the first
        // line, after the target's stream has allocated the target; that stream uses it after the
        // event below.
        unsafe {
            result::memcpy_peer_async(
                to.stream.context().cu_ctx(),
                target.span.address,
                from.stream.context().cu_ctx(),
                source.span.address,
                source.span.length as usize * source.storage.bytes(),
                from.stream.cu_stream(),
            )
        }
        .w()?;
        from.stream.record_event(None).w()
    }

    fn finish(self) -> Tensor {
        let (copy, shape) = self.target.output();
        Tensor::from_storage(Storage::Cuda(copy), shape, BackpropOp::none(), false)
    }
}
