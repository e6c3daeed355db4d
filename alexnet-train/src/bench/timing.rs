//! Taking the time of runs on devices that may be asynchronous.

use std::time::Instant;

use alexnet_kernels::ComputeDevice;

use crate::error::Error;

/// How many runs a GPU is asked for without waiting between them.
const QUEUED: usize = 10;

/// The seconds of `count` timed runs on `devices`, which are given their number, after so many
/// untimed ones. Each is a mean of [`QUEUED`] on a GPU.
pub(super) fn timings<T>(
    devices: &[ComputeDevice],
    untimed: usize,
    count: usize,
    mut run: impl FnMut(u64) -> Result<T, Error>,
) -> Result<Vec<f64>, Error> {
    let mut number = 0;
    let mut next = || {
        number += 1;
        run(number - 1)
    };
    mean_seconds(devices, untimed, &mut next)?;
    (0..count).map(|_| mean_seconds(devices, together(&devices[0]), &mut next)).collect()
}

/// The seconds of the fastest of so many tries, and the result of the last.
pub(super) fn fastest<T>(
    compute: &ComputeDevice,
    tries: usize,
    mut run: impl FnMut() -> Result<T, Error>,
) -> Result<(f64, T), Error> {
    let (mut seconds, mut last) = (f64::INFINITY, run()?);
    for _ in 0..tries {
        let timed = mean_seconds(std::slice::from_ref(compute), together(compute), || {
            last = run()?;
            Ok(())
        });
        seconds = seconds.min(timed?);
    }
    Ok((seconds, last))
}

/// How many runs are timed together: on a CPU each by itself.
pub(super) fn together(compute: &ComputeDevice) -> usize {
    if compute.is_async() { QUEUED } else { 1 }
}

/// The mean seconds of `count` runs on `devices`, which are idle before and after.
fn mean_seconds<T>(
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
