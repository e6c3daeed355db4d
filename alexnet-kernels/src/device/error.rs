//! Why a device cannot be used.

use super::name::DeviceName;
use super::precision::Precision;

/// Why a device cannot be used. Each is one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// A precision that the CPU does not have.
    #[error("precision {0} needs a GPU: use --device cuda:0, or --precision f32")]
    NotOnCpu(Precision),
    /// The program was built without the feature `cuda`.
    #[error("{0}: this program was built without CUDA; build it with --features cuda")]
    NotBuilt(DeviceName),
    /// There is no driver, or no GPU.
    #[error(
        "{0}: no NVIDIA driver (libcuda.so.1) or no GPU was found; nvidia-smi says what is missing"
    )]
    NoDriver(DeviceName),
    /// There are fewer GPUs than that.
    #[error("{name}: this machine has {count} CUDA device(s), counted from cuda:0")]
    NoSuchDevice {
        /// The name that was asked for.
        name: DeviceName,
        /// How many there are.
        count: usize,
    },
    /// A library is missing.
    #[error("{name}: {library} cannot be used ({reason}); put its folder in LD_LIBRARY_PATH")]
    Library {
        /// The name that was asked for.
        name: DeviceName,
        /// The library's file.
        library: &'static str,
        /// What the loader or the driver said.
        reason: String,
    },
    /// The kernels were compiled for other GPUs.
    #[error("{name}: {gpu} has compute capability {}{}", dotted(*.has), advice(*.has, *.built))]
    OtherGpu {
        /// The name that was asked for.
        name: DeviceName,
        /// The GPU's model.
        gpu: String,
        /// Its compute capability in two digits: 90 is 9.0.
        has: u32,
        /// The compute capability of the build.
        built: u32,
    },
    /// The driver cannot load the kernels.
    #[error(
        "{name}: the driver does not load the kernels ({reason}); install one that is as new as \
         the CUDA toolkit this program was built with"
    )]
    DriverTooOld {
        /// The name that was asked for.
        name: DeviceName,
        /// What the loader or the driver said.
        reason: String,
    },
    /// The towers of a network would run on different models.
    #[error("{first} and {second} are of different kinds ({models}): give devices of one kind")]
    DifferentKinds {
        /// The first device.
        first: DeviceName,
        /// A device of another model.
        second: DeviceName,
        /// Their models.
        models: String,
    },
    /// Any other error of the driver.
    #[error("{name}: {reason}")]
    Driver {
        /// The name that was asked for.
        name: DeviceName,
        /// What the loader or the driver said.
        reason: String,
    },
}

/// The compute capability of the oldest GPUs whose tensor cores take bf16 (Ampere).
const OLDEST: u32 = 80;

fn dotted(capability: u32) -> String {
    format!("{}.{}", capability / 10, capability % 10)
}

/// What to do with a GPU of capability `has`, on which a build for `built` does not run.
fn advice(has: u32, built: u32) -> String {
    let needs = dotted(built);
    if has < OLDEST {
        "; GPUs before 8.0 (Ampere) are not supported: use --device cpu".to_owned()
    } else if has < built {
        format!(", the kernels were built for {needs} and newer; build with CUDA_COMPUTE_CAP={has}")
    } else {
        let how = "build it for all GPUs with CUDA_COMPUTE_CAP=80";
        format!(", and this program was built for {needs} alone; {how}")
    }
}

/// Refuses a GPU of compute capability `has` (two digits) on which a build for `built` does not
/// run.
#[cfg(any(test, feature = "cuda"))]
pub(crate) fn check_capability(
    name: DeviceName,
    gpu: String,
    has: u32,
    built: u32,
) -> Result<(), DeviceError> {
    /// candle's build compiles for this capability alone (90 becomes 90a, whose code no other GPU
    /// runs).
    const ALONE: u32 = 90;
    if has < OLDEST || has < built || built == ALONE && has != built {
        return Err(DeviceError::OtherGpu { name, gpu, has, built });
    }
    Ok(())
}

/// The meaning of `says`, the name of an error of the driver when a GPU is opened.
#[cfg(any(test, feature = "cuda"))]
pub(crate) fn refused(name: DeviceName, says: &str) -> DeviceError {
    match says {
        "CUDA_ERROR_NO_DEVICE" | "CUDA_ERROR_STUB_LIBRARY" => DeviceError::NoDriver(name),
        "CUDA_ERROR_UNSUPPORTED_PTX_VERSION" | "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" => {
            DeviceError::DriverTooOld { name, reason: says.to_owned() }
        }
        _ => DeviceError::Driver { name, reason: format!("the driver says {says}") },
    }
}

/// Whether `error` says that a GPU has too little memory.
pub fn is_out_of_memory(error: &candle_core::Error) -> bool {
    // candle wraps the driver's error, whose type exists only with the feature `cuda`, so we look
    // for its name.
    let text = error.to_string();
    OUT_OF_MEMORY.iter().any(|name| text.contains(name))
}

/// What the driver, cuBLAS with cuBLASLt, cuDNN 9 and cuRAND call memory of a GPU that they could
/// not allocate.
const OUT_OF_MEMORY: [&str; 4] = [
    "CUDA_ERROR_OUT_OF_MEMORY",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CURAND_STATUS_ALLOCATION_FAILED",
];

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
