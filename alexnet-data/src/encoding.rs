//! How the records of a dataset are encoded: the user's request, and the mixture that fulfils it.

use serde::{Deserialize, Serialize};

/// How a preparation is to encode records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As raw pixels: the most bytes, and the fastest to read.
    #[default]
    Raw,
    /// As JPEG, which is decoded whenever it is read: a sixth of the bytes at quality 95.
    Jpeg {
        /// 1 to 100.
        quality: u8,
    },
    /// As many records raw as a budget of bytes allows, the others as JPEG.
    Budget {
        /// The most bytes the finished folder may have.
        bytes: u64,
        /// 1 to 100.
        quality: u8,
    },
}

/// How the records of a dataset are encoded, as its manifest says.
///
/// Of the first n images of the stored order, ⌊n · `raw_per_million` / 10⁶⌋ are raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// How many of a million records are raw; the others are JPEG. A shard that would otherwise
    /// exceed its share of the budget may have fewer.
    pub raw_per_million: u32,
    /// The quality of the JPEG records, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// The most bytes that the folder may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
}

impl Mixture {
    /// Every record raw.
    pub(crate) const RAW: Self = Self { raw_per_million: MILLION, quality: None, budget: None };

    /// The mixture for a request; with a budget, the preparation has yet to choose how many records
    /// are raw.
    pub(crate) fn requested(encoding: Encoding) -> Self {
        let (quality, budget) = match encoding {
            Encoding::Raw => return Self::RAW,
            Encoding::Jpeg { quality } => (quality, None),
            Encoding::Budget { bytes, quality } => (quality, Some(bytes)),
        };
        Self { raw_per_million: 0, quality: Some(quality), budget }
    }

    /// The quality of the record at `position` of a split's stored order; `None` for a raw one.
    pub(crate) fn quality_at(self, position: usize) -> Option<u8> {
        let raw_before =
            |n: usize| n as u128 * u128::from(self.raw_per_million) / u128::from(MILLION);
        let raw = raw_before(position + 1) > raw_before(position);
        if raw { None } else { self.quality }
    }

    /// Whether a manifest may hold this.
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

/// The [`Mixture::raw_per_million`] of a dataset without JPEG.
pub(crate) const MILLION: u32 = 1_000_000;
