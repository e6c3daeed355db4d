//! Which GPUs a build runs on, and what the driver's errors mean: plain functions, which tests call
//! without a driver.

use super::error::{DeviceError, OLDEST};
use super::name::DeviceName;

/// candle's build compiles for this capability alone (90 becomes 90a, whose code no other GPU
/// runs).
const ALONE: u32 = 90;

/// Refuses a GPU of compute capability `has` (two digits) on which a build for `built` does not
/// run.
pub(crate) fn check_capability(
    name: DeviceName,
    gpu: String,
    has: u32,
    built: u32,
) -> Result<(), DeviceError> {
    if has < OLDEST || has < built || built == ALONE && has != built {
        return Err(DeviceError::OtherGpu { name, gpu, has, built });
    }
    Ok(())
}

/// The meaning of `says`, the name of an error of the driver when a GPU is opened.
pub(crate) fn refused(name: DeviceName, says: &str) -> DeviceError {
    match says {
        "CUDA_ERROR_NO_DEVICE" | "CUDA_ERROR_STUB_LIBRARY" => DeviceError::NoDriver(name),
        "CUDA_ERROR_UNSUPPORTED_PTX_VERSION" | "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" => {
            DeviceError::DriverTooOld { name, reason: says.to_owned() }
        }
        _ => DeviceError::Driver { name, reason: format!("the driver says {says}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: DeviceName = DeviceName::Cuda(1);

    #[test]
    fn gpus_that_are_too_old_or_too_new_for_the_build() {
        let runs = |has, built| check_capability(NAME, "Some Gpu".to_owned(), has, built).is_ok();
        assert!(runs(80, 80) && runs(120, 80) && runs(90, 90));
        assert!(!runs(75, 80) && !runs(75, 75) && !runs(86, 90) && !runs(120, 90));
    }

    #[test]
    fn refusals_of_the_driver() {
        assert_eq!(refused(NAME, "CUDA_ERROR_NO_DEVICE"), DeviceError::NoDriver(NAME));
        let old = refused(NAME, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION");
        assert!(matches!(old, DeviceError::DriverTooOld { name: NAME, .. }));
        let other = refused(NAME, "CUDA_ERROR_UNKNOWN").to_string();
        assert_eq!(other, "cuda:1: the driver says CUDA_ERROR_UNKNOWN");
    }
}
