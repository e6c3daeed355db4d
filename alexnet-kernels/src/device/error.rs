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
pub(super) const OLDEST: u32 = 80;

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

/// Whether `error` says that a GPU has too little memory.
pub fn is_out_of_memory(error: &candle_core::Error) -> bool {
    // candle wraps the driver's error, whose type exists only with the feature `cuda`, so we look
    // for its name. cuDNN and cuBLAS report memory that they could not allocate themselves as
    // ALLOC_FAILED.
    let text = error.to_string();
    text.contains("OUT_OF_MEMORY") || text.contains("ALLOC_FAILED")
}
