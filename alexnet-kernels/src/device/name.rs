//! The names of devices.

use std::fmt;
use std::str::FromStr;

/// A device by the name people type: `cpu`, `cuda:0`; `cuda` is `cuda:0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceName {
    /// The CPU.
    Cpu,
    /// The NVIDIA GPU with this number, as the driver counts.
    Cuda(usize),
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("device `{0}`: expected cpu, cuda or cuda:N, as in cuda:0")]
pub struct UnknownDevice(pub String);

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> Result<Self, UnknownDevice> {
        let wrong = || UnknownDevice(name.to_owned());
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
