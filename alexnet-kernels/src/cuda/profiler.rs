//! The range that a profiler looks at where it does not profile from the start: `ncu
//! --profile-from-start off`, `nsys --capture-range cudaProfilerApi`.

use candle_core::Result;
use candle_core::cuda::cudarc::driver::sys;
use candle_core::cuda::{CudaDevice, WrapErr};

/// Begins the range.
pub(crate) fn start(gpu: &CudaDevice) -> Result<()> {
    gpu.cuda_stream().context().bind_to_thread().w()?;
    // SAFETY: this takes no arguments, and the thread has the context of an open device.
    unsafe { sys::cuProfilerStart() }.result().w()
}

/// Ends it.
pub(crate) fn stop(gpu: &CudaDevice) -> Result<()> {
    gpu.cuda_stream().context().bind_to_thread().w()?;
    // SAFETY: as above.
    unsafe { sys::cuProfilerStop() }.result().w()
}
