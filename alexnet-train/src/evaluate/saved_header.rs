//! The header of a file of probabilities, and what it says of them.
//!
//! The file is in the safetensors format, with the tensors `labels`, `(images)` in u32, and
//! `probabilities`, `(images, classes)` in f32, in this order. Its metadata is one entry,
//! `alexnet`, again a JSON object as text. As in a checkpoint, its first field is the CRC-32 of the
//! header; `data_crc32` is that of all other bytes.

use std::collections::HashMap;

use alexnet_data::{Class, Dataset, Split};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::{Deserialize, Serialize};

use crate::checkpoint::header::{METADATA, UNSEALED, check_seal, seal};
use crate::error::Error;
use crate::run::data_checksum;

const FORMAT: &str = "alexnet-probabilities 1";
const LABELS: &str = "labels";
const PROBABILITIES: &str = "probabilities";
/// The longest header that safetensors' readers take.
const LONGEST: u64 = 100_000_000;
const DAMAGED: &str = "save the probabilities again";

/// Whose probabilities a file holds, and of which images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbabilitiesInfo {
    /// The checksum of the dataset's manifest.
    pub dataset: String,
    /// The split.
    pub split: String,
    /// The classes, in the order of the labels.
    pub classes: Vec<Class>,
    /// The networks whose mean they are.
    pub members: Vec<SavedMember>,
}

impl ProbabilitiesInfo {
    /// Of a dataset's split, without members yet.
    ///
    /// # Errors
    ///
    /// None but [`Error::Io`], for a manifest that cannot be written as JSON.
    pub fn of(data: &Dataset, split: &Split) -> Result<Self, Error> {
        let (dataset, classes) = (data_checksum(data)?, data.manifest().classes.clone());
        Ok(Self { dataset, split: split.name().to_owned(), classes, members: Vec::new() })
    }

    /// How many views of each image a member averaged, the most of any.
    pub fn views(&self) -> usize {
        self.members.iter().map(|member| member.views).max().unwrap_or(1)
    }
}

/// One network of those whose probabilities a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedMember {
    /// The file of its weights.
    pub checkpoint: String,
    /// How many views of each image were averaged.
    pub views: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    checksum: String, // first, so that it has its place
    format: String,
    data_crc32: String,
    info: ProbabilitiesInfo,
}

/// A header that was read.
pub(super) struct SavedHeader {
    pub(super) info: ProbabilitiesInfo,
    pub(super) images: usize,
    pub(super) data_crc32: String,
    /// The bytes after the header.
    pub(super) data: u64,
}

/// How a CRC-32 of the data is written.
pub(super) fn crc32_text(crc32: u32) -> String {
    format!("crc32:{crc32:08x}")
}

/// The bytes of the header. Their number does not depend on the checksum of the data.
pub(super) fn header(
    info: &ProbabilitiesInfo,
    images: usize,
    data_crc32: u32,
) -> Result<Vec<u8>, String> {
    let fail = |e: serde_json::Error| e.to_string();
    let (checksum, format) = (UNSEALED.to_owned(), FORMAT.to_owned());
    let entry = Entry { checksum, format, data_crc32: crc32_text(data_crc32), info: info.clone() };
    let entry = serde_json::to_string(&entry).map_err(fail)?;
    let shape = vec![images, info.classes.len()];
    let middle = 4 * images;
    let end = shape[0].checked_mul(shape[1]).and_then(|n| n.checked_mul(4)?.checked_add(middle));
    let end = end.ok_or("more probabilities than an address has bits for")?;
    let tensor = |dtype, shape, data_offsets| TensorInfo { dtype, shape, data_offsets };
    let tensors = vec![
        (LABELS.to_owned(), tensor(Dtype::U32, vec![images], (0, middle))),
        (PROBABILITIES.to_owned(), tensor(Dtype::F32, shape, (middle, end))),
    ];
    let metadata = HashMap::from([(METADATA.to_owned(), entry)]);
    let metadata = Metadata::new(Some(metadata), tensors).map_err(|e| e.to_string())?;
    let mut text = serde_json::to_vec(&metadata).map_err(fail)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = [&(text.len() as u64).to_le_bytes()[..], &text].concat();
    if text.len() as u64 > LONGEST || !seal(&mut bytes) {
        return Err(format!("its header of {} bytes is too long", text.len()));
    }
    Ok(bytes)
}

/// The length of a header, by the first eight bytes of its file.
pub(super) fn length(first: [u8; 8]) -> Result<u64, String> {
    match u64::from_le_bytes(first) {
        length if length <= LONGEST => Ok(length),
        _ => Err("it is no safetensors file".to_owned()),
    }
}

/// Reads and checks a header, `bytes` from the beginning of its file.
pub(super) fn read(bytes: &[u8]) -> Result<SavedHeader, String> {
    let sealed = check_seal(bytes).map_err(|fault| format!("{fault}; {DAMAGED}"))?;
    let unreadable = |e| format!("its header cannot be read ({e}); {DAMAGED}");
    let metadata: Metadata = serde_json::from_slice(&bytes[8..]).map_err(unreadable)?;
    let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA));
    let entry = entry.ok_or("it was not written by alexnet eval --save-probabilities")?;
    let value: serde_json::Value = serde_json::from_str(entry).map_err(unreadable)?;
    let found = value["format"].as_str().unwrap_or("none").to_owned();
    if found != FORMAT {
        let advice = "give files that alexnet eval --save-probabilities wrote";
        return Err(format!("its format is `{found}`, expected `{FORMAT}`: {advice}"));
    }
    if !sealed {
        return Err(format!("its header is damaged: it lacks its checksum; {DAMAGED}"));
    }
    let Entry { info, data_crc32, .. } = serde_json::from_value(value).map_err(unreadable)?;
    let of = |name, dtype: Dtype| metadata.info(name).filter(|info| info.dtype == dtype);
    let images = of(LABELS, Dtype::U32).map_or(0, |labels| labels.shape.iter().product());
    let shape = of(PROBABILITIES, Dtype::F32).map(|tensor| &tensor.shape[..]);
    if images == 0 || info.members.is_empty() || shape != Some(&[images, info.classes.len()]) {
        return Err(format!("its header names other tensors than it should; {DAMAGED}"));
    }
    Ok(SavedHeader { info, images, data_crc32, data: metadata.data_len() as u64 })
}
