//! Why a device cannot be used.

use super::name::DeviceName;
use super::precision::Precision;

/// Why there is no such device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// A precision that the processor does not have.
    #[error("precision {0} needs a GPU: use --device cuda:0, or --precision f32")]
    NotOnCpu(Precision),
    /// The feature is off.
    #[error("{0}: this program was built without CUDA; build it with --features cuda")]
    NotBuilt(DeviceName),
    /// No driver, or no gpu.
    #[error(
        "{0}: no NVIDIA driver (libcuda.so.1) or no card was found; nvidia-smi says what is missing"
    )]
    NoDriver(DeviceName),
    /// Fewer cards than that.
    #[error("{name}: this machine has {count} CUDA device(s), counted from cuda:0")]
    NoSuchDevice {
        /// What was asked for.
        name: DeviceName,
        /// How many there are.
        count: usize,
    },
    /// A card older than the kernels.
    #[error(
        "{name}: {gpu} has compute capability {has}, the kernels were built for {needs} and newer; \
         build with CUDA_COMPUTE_CAP={}", has.replace('.', "")
    )]
    TooOld {
        /// What was asked for.
        name: DeviceName,
        /// The card's own name.
        gpu: String,
        /// What it can do.
        has: String,
        /// What the kernels need.
        needs: String,
    },
    /// A library that is not there.
    #[error("{name}: {library} cannot be used ({reason}); put its folder in LD_LIBRARY_PATH")]
    Library {
        /// What was asked for.
        name: DeviceName,
        /// The library's file.
        library: &'static str,
        /// What it said.
        reason: String,
    },
    /// A card that this build's machine code is not for.
    #[error(
        "{name}: {gpu} has compute capability {has}, and this program was built for {built} alone; \
         build it for all cards with CUDA_COMPUTE_CAP=80"
    )]
    OtherCard {
        /// What was asked for.
        name: DeviceName,
        /// The card's own name.
        gpu: String,
        /// What it can do.
        has: String,
        /// What the build was for.
        built: String,
    },
    /// A card older than all that bf16 works on.
    #[error(
        "{name}: {gpu} has compute capability {has}; cards before 8.0 (Ampere) are not supported: use --device cpu"
    )]
    NotSupported {
        /// What was asked for.
        name: DeviceName,
        /// The card's own name.
        gpu: String,
        /// What it can do.
        has: String,
    },
    /// A driver that cannot read the kernels.
    #[error(
        "{name}: the driver does not load the kernels ({reason}); install one that is as new as the CUDA toolkit this \
         program was built with"
    )]
    DriverTooOld {
        /// What was asked for.
        name: DeviceName,
        /// What it said.
        reason: String,
    },
    /// Devices that do not work together.
    #[error("{first} and {second} are of different kinds ({models}): give devices of one kind")]
    DifferentKinds {
        /// One of them.
        first: DeviceName,
        /// The first that is not like it.
        second: DeviceName,
        /// What their makers call them.
        models: String,
    },
    /// Whatever else the driver says.
    #[error("{name}: {reason}")]
    Driver {
        /// What was asked for.
        name: DeviceName,
        /// What it said.
        reason: String,
    },
}

/// Whether `error` says that a card has too little memory.
pub fn is_out_of_memory(error: &candle_core::Error) -> bool {
    // candle wraps the driver's error, whose type exists only with the feature `cuda`; its name is the driver's own.
    // cuDNN and cuBLAS say ALLOC_FAILED of memory they could not get themselves.
    let text = error.to_string();
    text.contains("OUT_OF_MEMORY") || text.contains("ALLOC_FAILED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_ran_out_is_known_by_its_name() {
        let says = |text: &str| is_out_of_memory(&candle_core::Error::Msg(text.to_owned()));
        assert!(says(r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#));
        assert!(says("cuDNN: convolving: CUDNN_STATUS_ALLOC_FAILED"));
        assert!(!says("CUDA_ERROR_ILLEGAL_ADDRESS"));
    }
}
