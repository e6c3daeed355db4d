//! The range that a profiler looks at where it does not profile from the start: `ncu
//! --profile-from-start off`, `nsys --capture-range cudaProfilerApi`.

use candle_core::Result;
use candle_core::cuda::cudarc::driver::sys;
use candle_core::cuda::{CudaDevice, WrapErr};

/// Begins the range, or ends it.
pub(crate) fn look(gpu: &CudaDevice, begin: bool) -> Result<()> {
    gpu.cuda_stream().context().bind_to_thread().w()?;
    // SAFETY: neither takes arguments, and the thread has the context of an open device.
    let done = unsafe { if begin { sys::cuProfilerStart() } else { sys::cuProfilerStop() } };
    done.result().w()
}
