//! Lists of devices: one device, or one for each tower of a network.

use alexnet_kernels::ComputeDevice;
use candle_core::Device;

/// The same devices as candle knows them.
pub(crate) fn candle_devices(devices: &[ComputeDevice]) -> Vec<Device> {
    devices.iter().map(|device| device.device().clone()).collect()
}

/// The names of the devices: `cuda:0,cuda:1`.
pub(crate) fn names(devices: &[ComputeDevice]) -> String {
    devices.iter().map(|device| device.name().to_string()).collect::<Vec<_>>().join(",")
}

/// How many results are read together: 1 from a device whose operations are done when they return,
/// and so many from a GPU that the wait costs nothing.
pub(crate) fn read_together(is_async: bool) -> usize {
    if is_async { 20 } else { 1 }
}
