//! Where to compute: names of devices, how precisely, and opening them, with an error of one line where that fails.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;

/// A device by the name people type: `cpu`, `cuda:0`; `cuda` is `cuda:0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceName {
    /// The processor.
    Cpu,
    /// The NVIDIA card of this number, counted as the driver counts.
    Cuda(usize),
}

/// How precisely a device multiplies matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// Factors rounded to 10 bits of mantissa, sums in f32: what tensor cores do with f32 storage.
    Tf32,
    /// Factors as bf16, sums and master weights in f32. On a card activations and gradients are stored so. On the processor
    /// it is the factors of dense layers alone: convolutions by Winograd's transforms have fewer products in f32 than
    /// bf16 would save, and do not bear its rounding.
    Bf16,
}

/// What a card is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceOptions {
    /// How precisely it multiplies.
    pub precision: Precision,
    /// Only algorithms that give the same bits each time, chosen without a clock; else the fastest, by measuring.
    pub deterministic: bool,
}

/// Why there is no such device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// A name that names nothing.
    #[error("device `{0}`: expected cpu, cuda or cuda:N, as in cuda:0")]
    Name(String),
    /// A precision nobody knows.
    #[error("precision `{0}`: expected f32, tf32 or bf16")]
    Precision(String),
    /// More than the processor does.
    #[error("precision {0} needs a card: use --device cuda:0, or f32 or bf16")]
    NotOnCpu(Precision),
    /// The feature is off.
    #[error("{0}: this program was built without CUDA; build it with --features cuda")]
    NotBuilt(DeviceName),
    /// No driver, or no card.
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
        "{name}: {card} has compute capability {has}, the kernels were built for {needs} and newer; \
         build with CUDA_COMPUTE_CAP={}", has.replace('.', "")
    )]
    TooOld {
        /// What was asked for.
        name: DeviceName,
        /// The card's own name.
        card: String,
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
        "{name}: {card} has compute capability {has}, and this program was built for {built} alone; \
         build it for all cards with CUDA_COMPUTE_CAP=80"
    )]
    OtherCard {
        /// What was asked for.
        name: DeviceName,
        /// The card's own name.
        card: String,
        /// What it can do.
        has: String,
        /// What the build was for.
        built: String,
    },
    /// A card older than all that bf16 works on.
    #[error(
        "{name}: {card} has compute capability {has}; cards before 8.0 (Ampere) are not supported: use --device cpu"
    )]
    NotSupported {
        /// What was asked for.
        name: DeviceName,
        /// The card's own name.
        card: String,
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

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        let wrong = || DeviceError::Name(name.to_owned());
        match name.split_once(':') {
            None if name == "cpu" => Ok(Self::Cpu),
            None if name == "cuda" => Ok(Self::Cuda(0)),
            // Digits only: `parse` would take a sign.
            Some(("cuda", n)) if n.bytes().all(|c| c.is_ascii_digit()) => {
                n.parse().map(Self::Cuda).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        match name {
            "f32" => Ok(Self::F32),
            "tf32" => Ok(Self::Tf32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(DeviceError::Precision(name.to_owned())),
        }
    }
}

impl DeviceName {
    /// The device, ready to compute. Open a card once and clone: each opening is a device of its own to candle.
    ///
    /// # Errors
    ///
    /// A build without CUDA, no driver, no such card, one too old, a library that is missing; a precision that the
    /// device does not have.
    pub fn open(self, options: DeviceOptions) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => on_cpu(options.precision),
            #[cfg(feature = "cuda")]
            Self::Cuda(ordinal) => crate::cuda::open(self, ordinal, options),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => Err(DeviceError::NotBuilt(self)),
        }
    }
}

/// The processor, for a precision that it has.
fn on_cpu(precision: Precision) -> Result<Device, DeviceError> {
    match precision {
        Precision::F32 | Precision::Bf16 => Ok(Device::Cpu),
        Precision::Tf32 => Err(DeviceError::NotOnCpu(precision)),
    }
}
