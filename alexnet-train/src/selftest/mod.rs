//! Whether a device computes what it should: every operation is compared with its formula in f64, a
//! training step with candle's own differentiation on the CPU, and the same step twice with itself.

mod bounds;
pub(crate) mod comparisons;
mod dense;
mod feature_maps;
mod input_loss_update;
mod step;

use alexnet_kernels::{ComputeDevice, DeviceName, DeviceOptions, Precision};

use self::comparisons::{Comparisons, SelftestRow};
use crate::error::Error;

/// What to test.
#[derive(Debug, Clone)]
pub struct SelftestOptions {
    /// The device.
    pub device: DeviceName,
    /// The precisions, one after another.
    pub precisions: Vec<Precision>,
    /// Whether to use only algorithms that give the same bits each time, and to test that they do.
    pub deterministic: bool,
    /// Operations whose results are made wrong by 3 %, or a step's by half, before they are
    /// compared. A self-test that passes all the same would test nothing.
    pub spoil: Vec<String>,
}

/// Runs all tests; `on_row` is called with each comparison.
///
/// # Errors
///
/// A device that cannot be opened. A wrong result is no error, and neither is an operation that the
/// device refuses: each is a row that misses.
pub fn selftest(
    options: &SelftestOptions,
    on_row: &mut dyn FnMut(&SelftestRow),
) -> Result<Vec<SelftestRow>, Error> {
    let mut rows = Vec::new();
    for &precision in &options.precisions {
        // Kernels that are compiled for large batches are tested at small ones.
        let deterministic = options.deterministic;
        let device = DeviceOptions { precision, deterministic, compile_from: 0 };
        let compute = ComputeDevice::open(options.device, device)?;
        let (spoil, rows) = (&options.spoil[..], &mut rows);
        let mut test = Comparisons { compute, spoil, rows, on_row };
        feature_maps::compare(&mut test);
        dense::compare(&mut test);
        input_loss_update::compare(&mut test);
        step::compare(&mut test)?;
    }
    Ok(rows)
}
