//! Opening a GPU: what can be missing is checked in the order in which it is needed.

use std::ffi::CStr;

use candle_core::Device;
use candle_core::cuda::CudaDevice;
use candle_core::cuda::cudarc::driver::{result, sys};

use super::info::Pool;
use super::{context, gpu};
use crate::device::error::{DeviceError, check_capability, refused};
use crate::device::name::DeviceName;
use crate::device::precision::DeviceOptions;

/// The compute capability for which the kernels were compiled, two digits.
const CAPABILITY: &str = env!("ALEXNET_CUDA_CAPABILITY");

/// Opens the GPU with the number `ordinal`, which the user called `name`.
pub(crate) fn open(
    name: DeviceName,
    ordinal: usize,
    options: DeviceOptions,
) -> Result<Device, DeviceError> {
    check_driver(name, ordinal)?;
    check_libraries(name)?;
    let says = |e| DeviceError::Driver { name, reason: first_line(&e) };
    // The device gets a stream of its own: on the default per-thread stream two host threads would
    // race.
    let device = Device::new_cuda_with_stream(ordinal).map_err(says)?;
    let Device::Cuda(gpu) = &device else { return Err(DeviceError::NotBuilt(name)) };
    settings(gpu).map_err(says)?;
    gpu::check_kernels(gpu)
        .map_err(|e| DeviceError::DriverTooOld { name, reason: first_line(&e) })?;
    context::register(gpu, name, options)?;
    Ok(device)
}

fn check_driver(name: DeviceName, ordinal: usize) -> Result<(), DeviceError> {
    let says = |error: result::DriverError| refused(name, &format!("{:?}", error.0));
    result::init().map_err(says)?;
    let count = usize::try_from(result::device::get_count().map_err(says)?).unwrap_or(0);
    let number = i32::try_from(ordinal).ok().filter(|_| ordinal < count);
    let Some(number) = number else { return Err(DeviceError::NoSuchDevice { name, count }) };
    let gpu = result::device::get(number).map_err(says)?;
    // SAFETY: the driver gave `gpu` just above.
    let attribute = |which| unsafe { result::device::get_attribute(gpu, which) }.map_err(says);
    use sys::CUdevice_attribute as Attribute;
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let has = u32::try_from(10 * major + minor).unwrap_or(0);
    let model = result::device::get_name(gpu).map_err(says)?;
    check_capability(name, model, has, CAPABILITY.parse().unwrap_or(80))
}

/// The libraries that are called, each with the files that may provide it.
const LIBRARIES: [(&str, &[&CStr]); 4] = [
    ("cuBLAS (libcublas.so.13)", &[c"libcublas.so.13", c"libcublas.so.12", c"libcublas.so"]),
    (
        "cuBLASLt (libcublasLt.so.13)",
        &[c"libcublasLt.so.13", c"libcublasLt.so.12", c"libcublasLt.so"],
    ),
    ("cuRAND (libcurand.so.10)", &[c"libcurand.so.10", c"libcurand.so"]),
    ("cuDNN (libcudnn.so.9)", &[c"libcudnn.so.9"]),
];

/// Opens each library before anything calls it, so that the error names the one that is missing.
fn check_libraries(name: DeviceName) -> Result<(), DeviceError> {
    #[cfg(target_os = "linux")]
    for (library, files) in LIBRARIES {
        // SAFETY: this program calls these libraries of NVIDIA's anyway; opening one runs its
        // initialisers, as the loader would. They stay open.
        let opens =
            |file: &&CStr| unsafe { !libc::dlopen(file.as_ptr(), libc::RTLD_LAZY).is_null() };
        if !files.iter().any(opens) {
            // SAFETY: after a failure this is null or a text that lives until the thread's next
            // call.
            let reason = unsafe { libc::dlerror().as_ref().map(|text| CStr::from_ptr(text)) };
            let reason = reason.unwrap_or(c"it is not there").to_string_lossy().into_owned();
            return Err(DeviceError::Library { name, library, reason });
        }
    }
    Ok(())
}

/// Switches off candle's events between streams, since a device has one stream, and keeps freed
/// memory in the pool.
fn settings(gpu: &CudaDevice) -> candle_core::Result<()> {
    // SAFETY: the device has one stream, created by `open`, and all its tensors are used there
    // only; copies to other devices are queued in this stream too, and those of `staging/cuda.rs`
    // are ordered by its own events.
    unsafe { gpu.disable_event_tracking() };
    Pool::of(gpu)?.keep_all()
}

/// The message without the backtrace that candle appends below it.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().trim().to_owned()
}
