//! Which GPUs a build runs on, and what the driver's errors mean: plain functions, which tests call
//! without a driver.

use super::error::DeviceError;
use super::name::DeviceName;

/// The compute capability of the oldest GPUs whose tensor cores take bf16 (Ampere).
const OLDEST: u32 = 80;

/// candle's build compiles for this capability alone (90 becomes 90a, whose code no other GPU
/// runs).
const ALONE: u32 = 90;

/// Refuses a GPU of compute capability `has` (major, minor) on which a build for `built` (two
/// digits) does not run.
pub(crate) fn check_capability(
    name: DeviceName,
    gpu: &str,
    (major, minor): (u32, u32),
    built: u32,
) -> Result<(), DeviceError> {
    let (has, gpu) = (10 * major + minor, gpu.to_owned());
    let said = |capability: u32| format!("{}.{}", capability / 10, capability % 10);
    if has < OLDEST {
        Err(DeviceError::NotSupported { name, gpu, has: said(has) })
    } else if has < built {
        Err(DeviceError::TooOld { name, gpu, has: said(has), needs: said(built) })
    } else if built == ALONE && has != built {
        Err(DeviceError::OtherGpu { name, gpu, has: said(has), built: said(built) })
    } else {
        Ok(())
    }
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

    fn says(has: (u32, u32), built: u32) -> Option<String> {
        check_capability(NAME, "Some Gpu", has, built).err().map(|e| e.to_string())
    }

    #[test]
    fn gpus_that_are_too_old_or_too_new_for_the_build() {
        assert_eq!(says((8, 0), 80), None);
        assert_eq!(says((12, 0), 80), None);
        assert_eq!(says((9, 0), 90), None);
        let old = says((7, 5), 80).unwrap();
        assert!(
            old.starts_with("cuda:1: Some Gpu has compute capability 7.5; GPUs before 8.0"),
            "{old}"
        );
        let older_than_build = says((8, 6), 90).unwrap();
        assert!(older_than_build.ends_with("build with CUDA_COMPUTE_CAP=86"), "{older_than_build}");
        let newer = says((12, 0), 90).unwrap();
        assert!(
            newer.contains("compute capability 12.0, and this program was built for 9.0 alone"),
            "{newer}"
        );
    }

    #[test]
    fn refusals_of_the_driver() {
        assert_eq!(refused(NAME, "CUDA_ERROR_NO_DEVICE"), DeviceError::NoDriver(NAME));
        let old = refused(NAME, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION").to_string();
        assert!(
            old.starts_with("cuda:1: the driver does not load the kernels (CUDA_ERROR_UNS"),
            "{old}"
        );
        let other = refused(NAME, "CUDA_ERROR_UNKNOWN").to_string();
        assert_eq!(other, "cuda:1: the driver says CUDA_ERROR_UNKNOWN");
    }
}
