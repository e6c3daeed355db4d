//! What a finished shard contributes to manifest and report, kept beside it until all are finished.
//!
//! The file `.NAME.done` holds the CRC-32 of all bytes after it, one line of JSON, and the sums
//! over the shard's pixels. It is written after its shard, so a shard that has one is whole.

use super::report::ReportLine;
use crate::atomic_file::write_atomic;
use crate::error::Result;
use crate::header::{HEADER, Header};
use crate::manifest::ShardInfo;
use crate::statistics::Sums;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The result of one shard.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ShardResult {
    pub(super) shard: ShardInfo,
    /// Records of each class.
    pub(super) images_per_class: Vec<u64>,
    pub(super) skipped: u64,
    pub(super) report: Vec<ReportLine>,
    /// The sums for the statistics, which only the train split has.
    #[serde(skip)]
    pub(super) sums: Option<Sums>,
}

/// The path of a shard's result.
pub(super) fn path(dir: &Path, shard: &str) -> PathBuf {
    dir.join(format!(".{shard}.done"))
}

impl ShardResult {
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let mut bytes = serde_json::to_vec(self).expect("plain data is always JSON");
        bytes.push(b'\n');
        bytes.extend(self.sums.iter().flat_map(Sums::to_bytes));
        write_atomic(&path(dir, &self.shard.file), |file| {
            file.write_all(&crc32fast::hash(&bytes).to_le_bytes())?;
            file.write_all(&bytes)
        })
    }

    /// The result of the shard `name`; `None` where it or the shard is missing or damaged, and the
    /// shard has to be made again.
    pub(super) fn load(dir: &Path, name: &str) -> Option<Self> {
        let bytes = fs::read(path(dir, name)).ok()?;
        let (crc, rest) = bytes.split_first_chunk::<4>()?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*crc) {
            return None;
        }
        let line = rest.iter().position(|&b| b == b'\n')?;
        let mut result: Self = serde_json::from_slice(&rest[..line]).ok()?;
        let sums = &rest[line + 1..];
        result.sums = if sums.is_empty() { None } else { Some(Sums::from_bytes(sums)?) };
        let shard = dir.join(name);
        let bytes = fs::metadata(&shard).ok()?.len();
        let mut header = [0; HEADER];
        File::open(&shard).ok()?.read_exact(&mut header).ok()?;
        let (Header { records, .. }, checksum) = Header::parse(&header, &shard).ok()?;
        let found = ShardInfo { file: name.into(), records, bytes, checksum };
        (result.shard == found).then_some(result)
    }
}
