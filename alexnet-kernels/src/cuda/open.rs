//! Opening a card: what can be missing, in the order in which it is needed, and the settings training wants.

use candle_core::Device;
use candle_core::cuda::cudarc::driver::{result, sys};
use candle_core::cuda::{CudaDevice, WrapErr};

use super::handles;
use crate::device::{DeviceError, DeviceName, DeviceOptions};

/// The oldest compute capability the kernels run on, as two digits.
const CAPABILITY: &str = env!("ALEXNET_CUDA_CAPABILITY");

/// The card number `ordinal`, called `name`.
pub(crate) fn open(
    name: DeviceName,
    ordinal: usize,
    options: DeviceOptions,
) -> Result<Device, DeviceError> {
    check_driver(name, ordinal)?;
    let says = |reason: String| DeviceError::Driver { name, reason: first_line(&reason) };
    // A stream of its own: on the default per-thread stream two host threads would race.
    let device = Device::new_cuda_with_stream(ordinal).map_err(|e| says(e.to_string()))?;
    let Device::Cuda(card) = &device else { return Err(DeviceError::NotBuilt(name)) };
    settings(card).map_err(|e| says(e.to_string()))?;
    handles::register(card, name, options)?;
    Ok(device)
}

fn check_driver(name: DeviceName, ordinal: usize) -> Result<(), DeviceError> {
    let says = |error: result::DriverError| match error.0 {
        sys::CUresult::CUDA_ERROR_NO_DEVICE | sys::CUresult::CUDA_ERROR_STUB_LIBRARY => {
            DeviceError::NoDriver(name)
        }
        _ => DeviceError::Driver { name, reason: format!("the driver says {error:?}") },
    };
    result::init().map_err(says)?;
    let count = usize::try_from(result::device::get_count().map_err(says)?).unwrap_or(0);
    let number = i32::try_from(ordinal).ok().filter(|_| ordinal < count);
    let Some(number) = number else { return Err(DeviceError::NoSuchDevice { name, count }) };
    let card = result::device::get(number).map_err(says)?;
    // SAFETY: `card` comes from the driver, just above.
    let attribute = |which| unsafe { result::device::get_attribute(card, which) }.map_err(says);
    use sys::CUdevice_attribute as Attribute;
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let needs: i32 = CAPABILITY.parse().unwrap_or(80);
    if major * 10 + minor < needs {
        let card = result::device::get_name(card).map_err(says)?;
        let (has, needs) = (format!("{major}.{minor}"), format!("{}.{}", needs / 10, needs % 10));
        return Err(DeviceError::TooOld { name, card, has, needs });
    }
    Ok(())
}

/// One stream, so no events between streams; and freed memory stays with the process, so that no step but the first
/// asks the driver for any.
fn settings(card: &CudaDevice) -> candle_core::Result<()> {
    let stream = card.cuda_stream();
    // SAFETY: the device has one stream, made by `open`, and every tensor of it is used there only; copies to other
    // devices are made on this stream too.
    unsafe { card.disable_event_tracking() };
    // SAFETY: the pool is the driver's own, and the attribute takes a pointer to a 64-bit number.
    unsafe {
        let pool = result::device::get_default_mem_pool(stream.context().cu_device()).w()?;
        let mut keep = u64::MAX;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut keep).cast()).result().w()?;
    }
    Ok(())
}

/// candle appends a backtrace to its messages, a line below.
pub(super) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}
