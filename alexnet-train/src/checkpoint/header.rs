//! The header of a checkpoint file, and the checksum over every byte of it.
//!
//! The header of a safetensors file is its length in eight bytes and a JSON object: `__metadata__`,
//! then the name, dtype, shape and place of each tensor. Our metadata is one entry, `alexnet`,
//! again a JSON object as text. Its first field is the CRC-32 of all bytes of the header, computed
//! with eight zeros in the place of its own digits, which are at the same place in every file.

use std::collections::BTreeMap;
use std::ops::Range;

use alexnet_data::Preprocessing;
use alexnet_model::NetworkSpec;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::checkpoint::progress::{LogOffsets, Progress, SavedState};
use crate::recipe::Recipe;

/// The name of our entry in the metadata.
pub(crate) const METADATA: &str = "alexnet";
const FORMAT: &str = "alexnet-checkpoint 2";
/// What is between the length of a header and the digits of its checksum.
const BEGINNING: &[u8] = br#"{"__metadata__":{"alexnet":"{\"checksum\":\"crc32:"#;
/// What a header says first, `checksum`, until its checksum is known.
pub(crate) const UNSEALED: &str = "crc32:00000000";
const NO_DIGITS: &str = "00000000";

/// The metadata of a checkpoint file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) checksum: String, // first, so that it has its place
    format: String,
    pub(crate) network: NetworkSpec,
    pub(crate) recipe: Recipe,
    pub(crate) classes: Vec<String>,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) progress: Option<Progress>,
    /// The bytes of each log at that time; what a later process finds behind them is cut off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) logs: LogOffsets,
    pub(crate) crc32: BTreeMap<String, u32>,
}

impl Header {
    pub(crate) fn new(
        network: &NetworkSpec,
        recipe: &Recipe,
        classes: &[String],
        preprocessing: Preprocessing,
        state: Option<SavedState>,
        crc32: BTreeMap<String, u32>,
    ) -> Self {
        let (progress, logs) = state.map(|s| (s.progress, s.logs)).unzip();
        Self {
            checksum: UNSEALED.to_owned(),
            format: FORMAT.to_owned(),
            network: network.clone(),
            recipe: recipe.clone(),
            classes: classes.to_vec(),
            preprocessing,
            progress,
            logs: logs.unwrap_or_default(),
            crc32,
        }
    }

    /// Reads and checks the header of the file with these bytes.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        // Its checksum is compared first: a damaged header may say anything of its format.
        let sealed = check_seal(bytes).map_err(|fault| fault + "; take another checkpoint")?;
        let (_, header) = SafeTensors::read_metadata(bytes)
            .map_err(|e| format!("not a whole safetensors file ({e}); take another checkpoint"))?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA));
        let text = text.ok_or("it was not written by alexnet train: it lacks its metadata")?;
        let header = Self::parse(text)?;
        match sealed {
            true => Ok(header),
            false => {
                Err("its header is damaged: it lacks its checksum; take another checkpoint"
                    .to_owned())
            }
        }
    }

    /// The header that is `text`. Its format is compared first: another one may have other fields.
    fn parse(text: &str) -> Result<Self, String> {
        let unreadable = |e| format!("its metadata cannot be read: {e}");
        let value: serde_json::Value = serde_json::from_str(text).map_err(unreadable)?;
        let found = value["format"].as_str().unwrap_or("none").to_owned();
        if found != FORMAT {
            return Err(format!(
                "its format is `{found}`, expected `{FORMAT}`: use the version of this program \
                 that wrote it"
            ));
        }
        serde_json::from_value(value).map_err(unreadable)
    }
}

/// Writes the checksum into the header of a whole file; false where there is no place for it.
#[must_use]
pub(crate) fn seal(bytes: &mut [u8]) -> bool {
    let Some((end, digits)) = digits(bytes) else { return false };
    let checksum = checksum(&bytes[..end], &digits);
    bytes[digits].copy_from_slice(checksum.as_bytes());
    true
}

/// Compares the checksum of the header of the file with these first bytes; false where it has none.
pub(crate) fn check_seal(bytes: &[u8]) -> Result<bool, String> {
    let Some((end, digits)) = digits(bytes) else { return Ok(false) };
    let got = checksum(&bytes[..end], &digits);
    let expected = String::from_utf8_lossy(&bytes[digits]);
    if got != expected {
        return Err(format!("its header is damaged: its checksum is {got}, expected {expected:?}"));
    }
    Ok(true)
}

/// Where the header of a file ends, and where the digits of its checksum are.
fn digits(bytes: &[u8]) -> Option<(usize, Range<usize>)> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    let first = 8 + BEGINNING.len();
    let digits = first..first + NO_DIGITS.len();
    let begins = bytes.get(..end)?.get(8..first) == Some(BEGINNING);
    (begins && digits.end <= end).then_some((end, digits))
}

/// The checksum of a header, whose own digits count as zeros.
fn checksum(header: &[u8], digits: &Range<usize>) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..digits.start]);
    hasher.update(NO_DIGITS.as_bytes());
    hasher.update(&header[digits.end..]);
    format!("{:08x}", hasher.finalize())
}
