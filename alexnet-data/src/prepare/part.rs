//! The parts of a preparation that several machines share.
//!
//! Part p of n makes the shards p − 1, p − 1 + n, p − 1 + 2n, … of all splits. Each is the very
//! shard of an undivided run, and the statistics beside it are sums of integers, so the merged
//! parts are the very dataset of an undivided run.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

const EXPECTED: &str = "a part and the number of parts, from 1/1, as 3/16";

/// One part of several, counted from 1.
///
/// ```
/// let part: alexnet_data::Part = "3/16".parse()?;
/// assert_eq!(part, alexnet_data::Part::new(3, 16)?);
/// assert!(alexnet_data::Part::new(0, 16).is_err());
/// # Ok::<(), alexnet_data::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    number: usize,
    /// The number of parts.
    pub(super) of: usize,
}

/// What the preparation of a part wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSummary {
    /// The number of its shards, and that of all parts.
    pub shards: [usize; 2],
    /// Images in its shards.
    pub images: u64,
    /// Images that could not be read.
    pub skipped: u64,
    /// Images that were decoded in spite of a fault.
    pub damaged: u64,
}

impl Part {
    /// Part `number`, from 1, of `of` parts.
    ///
    /// # Errors
    /// [`Error::Setting`] for a number that is not among 1 to `of`.
    pub fn new(number: usize, of: usize) -> Result<Self> {
        let part = Self { number, of };
        Error::check((1..=of).contains(&number), "part", EXPECTED, &part).map(|()| part)
    }

    /// The part of `of` that makes shard number `shard` of all.
    pub(super) fn of_shard(shard: usize, of: usize) -> Self {
        Self { number: shard % of + 1, of }
    }

    /// Whether this part makes shard number `shard` of all.
    pub(super) fn makes(self, shard: usize) -> bool {
        Self::of_shard(shard, self.of) == self
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // `parse` accepts a sign, which is no part of this notation.
        let number = |t: &str| t.parse().ok().filter(|_| t.bytes().all(|b| b.is_ascii_digit()));
        let parts = text.split_once('/').and_then(|(n, of)| Some((number(n)?, number(of)?)));
        let Some((number, of)) = parts else {
            return Err(Error::Setting { name: "part", expected: EXPECTED, got: text.into() });
        };
        Self::new(number, of)
    }
}
