//! What a run on an unusual processor begins with.

use alexnet_train::{
    ComputeDevice, DeviceName, Precision, SelftestOptions, gemm_library_runs, selftest,
};
use anyhow::{Result, bail};

/// Runs the self-test first on a CPU on which the GEMM library cannot run: the plain loops that do
/// its work there have seen few such processors, and a run takes days.
pub(super) fn test_unusual(devices: &[ComputeDevice], print: &dyn Fn(&str)) -> Result<()> {
    if gemm_library_runs() || devices.iter().any(ComputeDevice::is_async) {
        return Ok(());
    }
    print("this processor lacks AVX2, FMA or F16C: slower loops, after a self-test");
    let (device, precisions) = (DeviceName::Cpu, vec![Precision::F32]);
    let options = SelftestOptions { device, precisions, deterministic: false, spoil: Vec::new() };
    let rows = selftest(&options, &mut |_| ())?;
    let missed = rows.iter().find(|row| !row.passed).map(|row| &row.operation);
    match missed {
        Some(operation) => bail!("{operation} is wrong on this processor: see `alexnet selftest`"),
        None => Ok(()),
    }
}
