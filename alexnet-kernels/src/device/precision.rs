//! How precisely a device computes.

use std::fmt;
use std::str::FromStr;

/// The number formats in which a device stores and multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// f32 storage, but tensor cores round the operands of matmuls and convolutions to 10 bits of
    /// mantissa. On GPUs only.
    Tf32,
    /// Mixed precision: activations, gradients and the operands of matmuls in bf16, sums and master
    /// weights in f32. On GPUs only.
    Bf16,
}

/// How a device is to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceOptions {
    /// The number formats.
    pub precision: Precision,
    /// Whether only algorithms run that give the same bits in each run, chosen without measuring;
    /// else the fastest of all, by measurement.
    pub deterministic: bool,
    /// Operations of one pass of a convolution from which on cuDNN may compile kernels for it,
    /// which also add the bias and apply the ReLU. Each takes a third of a second to compile, once
    /// a run.
    pub compile_from: u64,
}

impl Default for DeviceOptions {
    /// 32-bit floats, the fastest algorithms, and kernels compiled for passes of 20 GFLOP: conv1 of
    /// the paper's network has them from 95 images on.
    fn default() -> Self {
        let (precision, deterministic) = (Precision::default(), false);
        Self { precision, deterministic, compile_from: 20_000_000_000 }
    }
}

/// A text that names no precision.
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
