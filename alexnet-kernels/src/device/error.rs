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
    /// The GPU is older than those the kernels were compiled for.
    #[error(
        "{name}: {gpu} has compute capability {has}, the kernels were built for {needs} and newer; \
         build with CUDA_COMPUTE_CAP={}", has.replace('.', "")
    )]
    TooOld {
        /// The name that was asked for.
        name: DeviceName,
        /// The GPU's model.
        gpu: String,
        /// Its compute capability.
        has: String,
        /// The compute capability that the kernels need.
        needs: String,
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
    /// The build has machine code for GPUs of another compute capability only.
    #[error(
        "{name}: {gpu} has compute capability {has}, and this program was built for {built} alone; \
         build it for all GPUs with CUDA_COMPUTE_CAP=80"
    )]
    OtherGpu {
        /// The name that was asked for.
        name: DeviceName,
        /// The GPU's model.
        gpu: String,
        /// Its compute capability.
        has: String,
        /// The compute capability of the build.
        built: String,
    },
    /// The GPU is older than all whose tensor cores take bf16.
    #[error(
        "{name}: {gpu} has compute capability {has}; GPUs before 8.0 (Ampere) are not supported: \
         use --device cpu"
    )]
    NotSupported {
        /// The name that was asked for.
        name: DeviceName,
        /// The GPU's model.
        gpu: String,
        /// Its compute capability.
        has: String,
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

/// Whether `error` says that a GPU has too little memory.
pub fn is_out_of_memory(error: &candle_core::Error) -> bool {
    // candle wraps the driver's error, whose type exists only with the feature `cuda`, so we look
    // for its name. cuDNN and cuBLAS report memory that they could not allocate themselves as
    // ALLOC_FAILED.
    let text = error.to_string();
    text.contains("OUT_OF_MEMORY") || text.contains("ALLOC_FAILED")
}
