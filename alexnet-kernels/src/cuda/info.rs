//! What the driver says of a GPU: its name, its memory, and how much of that was used.

use candle_core::Result;
use candle_core::cuda::cudarc::driver::{result, sys};
use candle_core::cuda::{CudaDevice, WrapErr};

use crate::device::memory::GpuMemory;

pub(crate) fn model(gpu: &CudaDevice) -> String {
    let name = gpu.cuda_stream().context().name();
    name.unwrap_or_else(|_| "a CUDA device without a name".to_owned())
}

pub(crate) fn memory(gpu: &CudaDevice) -> Result<GpuMemory> {
    gpu.cuda_stream().context().bind_to_thread().w()?;
    let (free, total) = result::mem_get_info().w()?;
    // What this process has freed stays in its pool (see `driver.rs`) and can be allocated again.
    let pool = Pool::of(gpu)?;
    let reserved =
        pool.attribute(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)?;
    let used = pool.attribute(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?;
    Ok(GpuMemory { free: free as u64 + reserved.saturating_sub(used), total: total as u64 })
}

pub(crate) fn peak_memory(gpu: &CudaDevice) -> Result<u64> {
    Pool::of(gpu)?.attribute(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH)
}

/// The driver's pool from which all tensors of a GPU are allocated.
pub(crate) struct Pool(sys::CUmemoryPool);

impl Pool {
    pub(crate) fn of(gpu: &CudaDevice) -> Result<Self> {
        let device = gpu.cuda_stream().context().cu_device();
        // SAFETY: the device is open.
        Ok(Self(unsafe { result::device::get_default_mem_pool(device) }.w()?))
    }

    fn attribute(&self, which: sys::CUmemPool_attribute) -> Result<u64> {
        let mut value = 0u64;
        // SAFETY: the pool is the driver's own, and these attributes are 64-bit numbers.
        let got = unsafe { sys::cuMemPoolGetAttribute(self.0, which, (&raw mut value).cast()) };
        got.result().w()?;
        Ok(value)
    }

    /// Keeps freed memory in the pool, so that only the first training step asks the driver for
    /// memory.
    pub(crate) fn keep_all(&self) -> Result<()> {
        let mut keep = u64::MAX;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: the pool is the driver's own, and the attribute takes a pointer to a 64-bit
        // number.
        let set = unsafe { sys::cuMemPoolSetAttribute(self.0, attribute, (&raw mut keep).cast()) };
        set.result().w()
    }
}
