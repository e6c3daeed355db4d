//! How precisely a device computes.

use std::fmt;
use std::str::FromStr;

/// How precisely a device computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// Operands of matmuls rounded to 10 bits of mantissa, sums in f32: what tensor cores do with f32 storage. On GPUs
    /// only.
    Tf32,
    /// Mixed precision: activations, gradients and the operands of matmuls in bf16, sums and master weights in f32. On
    /// GPUs only.
    Bf16,
}

/// What a device is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceOptions {
    /// How precisely it computes.
    pub precision: Precision,
    /// Only algorithms that give the same bits each time, chosen without a clock; else the fastest, by measuring.
    pub deterministic: bool,
}

/// A name that names no precision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("precision `{0}`: expected f32, tf32 or bf16")]
pub struct UnknownPrecision(pub String);

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
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        match name {
            "f32" => Ok(Self::F32),
            "tf32" => Ok(Self::Tf32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(UnknownPrecision(name.to_owned())),
        }
    }
}
