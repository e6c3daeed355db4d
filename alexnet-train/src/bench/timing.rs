//! Taking the time of runs on devices that may be asynchronous.

use std::time::Instant;

use alexnet_kernels::ComputeDevice;

use crate::error::Error;

/// How many steps or passes a GPU is asked for without waiting between them.
const QUEUED: usize = 10;

/// How many runs are timed together: on a CPU each by itself.
pub(super) fn queued(compute: &ComputeDevice) -> usize {
    if compute.is_async() { QUEUED } else { 1 }
}

/// The mean seconds of `count` runs on `devices`, which are idle before and after.
pub(super) fn mean_seconds<T>(
    devices: &[ComputeDevice],
    count: usize,
    mut run: impl FnMut() -> Result<T, Error>,
) -> Result<f64, Error> {
    devices.iter().try_for_each(ComputeDevice::wait)?;
    let start = Instant::now();
    for _ in 0..count {
        drop(run()?);
    }
    devices.iter().try_for_each(ComputeDevice::wait)?;
    Ok(start.elapsed().as_secs_f64() / count as f64)
}

/// The middle value; of an even number of values the lower of the two.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}
