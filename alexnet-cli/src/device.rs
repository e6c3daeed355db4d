//! `--device`, `--precision` and `--deterministic`: where to compute, and how.

use alexnet_train::{Compute, DeviceName, DeviceOptions, Precision};
use anyhow::Result;

/// Where to compute
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// cpu, or cuda:0, cuda:1, … (a build with --features cuda)
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// f32; on cards also tf32 (products of f32 rounded to 10 bits) and bf16 (activations, with f32 weights and sums)
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// On cards: only algorithms that give the same bits each time, not the fastest
    #[arg(long)]
    deterministic: bool,
}

impl Where {
    /// What was asked for, apart from the device itself.
    fn options(&self) -> DeviceOptions {
        DeviceOptions { precision: self.precision, deterministic: self.deterministic }
    }

    /// Opens the device, or says in one line why not.
    pub(crate) fn open(&self) -> Result<Compute> {
        Ok(Compute::open(self.device, self.options())?)
    }
}
