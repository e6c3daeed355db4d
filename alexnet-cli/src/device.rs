//! `--device`, `--precision` and `--deterministic`: where to compute, and how precisely.

use alexnet_train::{ComputeDevice, DeviceNames, DeviceOptions, Precision};
use anyhow::{Result, bail};

/// Where to compute
#[derive(Debug, clap::Args)]
pub(crate) struct DeviceArguments {
    /// cpu, or cuda:0, cuda:1, … (a build with --features cuda); for a network in two towers also
    /// one device for each, as in cuda:0,cuda:1 or cpu,cpu
    #[arg(long, default_value = "cpu", value_name = "DEVICE[,DEVICE]")]
    device: DeviceNames,
    /// f32; on GPUs also bf16 (activations; sums and weights stay f32) and tf32 (the operands of
    /// matmuls and convolutions rounded to 10 bits)
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// On GPUs: only algorithms that give the same bits each time, not the fastest
    #[arg(long)]
    deterministic: bool,
}

impl DeviceArguments {
    fn options(&self) -> DeviceOptions {
        let (precision, deterministic) = (self.precision, self.deterministic);
        DeviceOptions { precision, deterministic, ..DeviceOptions::default() }
    }

    /// Opens all devices.
    pub(crate) fn open_all(&self) -> Result<Vec<ComputeDevice>> {
        Ok(ComputeDevice::open_all(self.device.names(), self.options())?)
    }

    /// Opens the one device of a command that does not use several.
    pub(crate) fn open(&self) -> Result<ComputeDevice> {
        let [device] = self.device.names() else {
            bail!("--device {}: this command works on one device", self.device)
        };
        Ok(ComputeDevice::open(*device, self.options())?)
    }
}
