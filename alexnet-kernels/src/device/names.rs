//! The devices of a network: one for all, or one for each tower.

use std::fmt;
use std::str::FromStr;

use super::name::{DeviceName, UnknownDevice};

/// Devices by the names people type: `cuda:0`, or `cuda:0,cuda:1` for a network of two towers. The
/// same device may be named twice: `cuda:0,cuda:0`, `cpu,cpu`.
/// [`ComputeDevice::open_all`](crate::ComputeDevice::open_all) opens them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceNames(Vec<DeviceName>);

impl DeviceNames {
    /// The names, at least one.
    pub fn names(&self) -> &[DeviceName] {
        &self.0
    }
}

impl From<DeviceName> for DeviceNames {
    fn from(name: DeviceName) -> Self {
        Self(vec![name])
    }
}

impl fmt::Display for DeviceNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(DeviceName::to_string).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for DeviceNames {
    type Err = UnknownDevice;

    fn from_str(names: &str) -> Result<Self, UnknownDevice> {
        names.split(',').map(DeviceName::from_str).collect::<Result<_, _>>().map(Self)
    }
}
