//! How the records of a dataset are stored: what is asked for, and what is settled on.

use serde::{Deserialize, Serialize};

/// How records are to be stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As raw pixels: the largest and the fastest to read.
    #[default]
    Raw,
    /// As JPEG, decoded whenever they are read: at quality 95 about a sixth of the bytes.
    Jpeg {
        /// 1 to 100.
        quality: u8,
    },
    /// As many raw as the dataset's folder may have bytes for, the others as JPEG.
    Budget {
        /// The most bytes the finished folder may have.
        bytes: u64,
        /// 1 to 100.
        quality: u8,
    },
}

/// How the records of a dataset are stored, as its manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// How many of a million records are raw, evenly spread over the stored order; the others are
    /// JPEG. A shard that would not keep to the budget may have fewer.
    pub raw_per_million: u32,
    /// The quality of the JPEG records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// The most bytes the folder was allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
}

impl Mixture {
    /// Every record raw.
    pub(crate) const RAW: Self = Self { raw_per_million: MILLION, quality: None, budget: None };

    /// What is asked for; with a budget, how many records are raw remains to be settled.
    pub(crate) fn asked(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Raw => Self::RAW,
            Encoding::Jpeg { quality } => {
                Self { raw_per_million: 0, quality: Some(quality), budget: None }
            }
            Encoding::Budget { bytes, quality } => {
                Self { raw_per_million: 0, quality: Some(quality), budget: Some(bytes) }
            }
        }
    }

    /// The quality of the record at `position` of a split's stored order; `None` for a raw one.
    pub(crate) fn quality_at(self, position: usize) -> Option<u8> {
        // Of the first n records, ⌊n · share⌋ are raw: no stretch has more than one too many.
        let raw_before = |n: usize| n as u128 * u128::from(self.raw_per_million) / 1_000_000;
        let raw = raw_before(position + 1) > raw_before(position);
        if raw { None } else { self.quality }
    }

    /// Whether a manifest may say this.
    pub(crate) fn is_valid(self) -> bool {
        let quality = self.quality.is_none_or(|q| (1..=100).contains(&q));
        quality && (self.quality.is_some() || self == Self::RAW) && self.raw_per_million <= MILLION
    }
}

impl Default for Mixture {
    fn default() -> Self {
        Self::RAW
    }
}

/// All of [`Mixture::raw_per_million`].
pub(crate) const MILLION: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Of any stretch of the order, as many records are raw as its share, but for one.
        #[test]
        fn raw_records_are_evenly_spread(share in 0u32..=MILLION, start in 0usize..1 << 40, n in 1usize..300) {
            let mixture = Mixture { raw_per_million: share, quality: Some(90), budget: Some(1) };
            let raw = (start..start + n).filter(|&p| mixture.quality_at(p).is_none()).count();
            let want = n as f64 * f64::from(share) / 1e6;
            prop_assert!((raw as f64 - want).abs() <= 1.0, "{raw} of {n}, not {want}");
        }
    }

    #[test]
    fn what_a_manifest_may_say() {
        assert!(Mixture::RAW.is_valid() && Mixture::RAW.quality_at(7).is_none());
        let jpeg = Mixture::asked(Encoding::Jpeg { quality: 95 });
        assert!(jpeg.is_valid() && jpeg.quality_at(7) == Some(95));
        assert!(!Mixture { quality: Some(0), ..jpeg }.is_valid());
        assert!(!Mixture { quality: None, ..jpeg }.is_valid());
        assert!(!Mixture { raw_per_million: MILLION + 1, ..jpeg }.is_valid());
    }
}
