//! How tensors get from one device to another.

use std::fmt;

use candle_core::{Device, Result};

#[cfg(feature = "cuda")]
use super::peer;

/// How tensors get from one device to another, from the shortest way to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interconnect {
    /// Not at all: both names are the CPU's, or one opened device's, which shares its memory with
    /// itself.
    Same,
    /// By a copy within the memory of one GPU that was opened under two names.
    Gpu,
    /// By a peer-to-peer copy, from the memory of one GPU into that of the other without the host.
    Peer,
    /// By way of the host's memory: these GPUs cannot reach each other's.
    Host,
}

impl fmt::Display for Interconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "memory they share",
            Self::Gpu => "copies within one GPU",
            Self::Peer => "peer-to-peer copies between the GPUs",
            Self::Host => "the host's memory, as these GPUs cannot reach each other's",
        })
    }
}

/// Lets each of `devices` write into the memory of the others, where the hardware can, and says how
/// tensors get from one to another: the longest way between any two of them.
///
/// # Errors
///
/// What the driver refuses.
pub fn enable_peer_access(devices: &[Device]) -> Result<Interconnect> {
    let mut longest = Interconnect::Same;
    for (index, from) in devices.iter().enumerate() {
        for to in devices.iter().take(index) {
            longest = longest.max(between(from, to)?).max(between(to, from)?);
        }
    }
    Ok(longest)
}

fn between(from: &Device, to: &Device) -> Result<Interconnect> {
    match (from, to) {
        _ if from.same_device(to) => Ok(Interconnect::Same),
        #[cfg(feature = "cuda")]
        (Device::Cuda(a), Device::Cuda(b)) if peer::is_one_gpu(a, b) => Ok(Interconnect::Gpu),
        #[cfg(feature = "cuda")]
        (Device::Cuda(a), Device::Cuda(b)) if peer::enable_access(a, b)? => Ok(Interconnect::Peer),
        _ => Ok(Interconnect::Host),
    }
}
