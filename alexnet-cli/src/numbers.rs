//! The ranges of numbers on the command line. What lies outside is refused with the range, before
//! anything is opened or written.

use std::ops::RangeInclusive;

use clap::builder::RangedU64ValueParser;

/// Threads of one kind; more only cost memory.
pub(crate) const THREADS: RangeInclusive<u64> = 1..=1024;
/// Images in a batch.
pub(crate) const BATCH: RangeInclusive<u64> = 1..=65_536;
/// Passes over a training set, or steps of a measurement.
pub(crate) const REPETITIONS: RangeInclusive<u64> = 1..=1_000_000;
/// Pixels of the width of a picture.
pub(crate) const PIXELS: RangeInclusive<u64> = 64..=16_384;

/// As many threads as there are cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// For `value_parser`: a whole number of that range.
pub(crate) fn within<T>(range: RangeInclusive<u64>) -> RangedU64ValueParser<T>
where
    T: TryFrom<u64> + Clone + Send + Sync,
    <T as TryFrom<u64>>::Error: std::error::Error + Send + Sync + 'static,
{
    RangedU64ValueParser::new().range(range)
}
