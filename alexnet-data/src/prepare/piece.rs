//! What a finished shard adds to manifest and report, kept beside it until all are there.
//!
//! The file `.NAME.done`: the CRC-32 of all that follows, one line of JSON, and the sums of the
//! shard's pixels. It is written after its shard; so a shard that has one is whole.

use super::report::Odd;
use crate::header::{HEADER, Header};
use crate::statistics::Sums;
use crate::{Error, ShardInfo, write_whole};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// One finished shard.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) facts: Facts,
    /// Only of train: nothing is taken over the other splits.
    pub(super) sums: Option<Sums>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) shard: ShardInfo,
    /// Images of each class.
    pub(super) counts: Vec<u64>,
    pub(super) skipped: u64,
    pub(super) odd: Vec<Odd>,
}

/// Where the piece of a shard lies.
pub(super) fn path(dir: &Path, shard: &str) -> PathBuf {
    dir.join(format!(".{shard}.done"))
}

impl Piece {
    pub(super) fn write(&self, dir: &Path) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec(&self.facts).expect("plain data is always JSON");
        bytes.push(b'\n');
        bytes.extend(self.sums.iter().flat_map(Sums::to_bytes));
        write_whole(&path(dir, &self.facts.shard.file), |file| {
            file.write_all(&crc32fast::hash(&bytes).to_le_bytes())?;
            file.write_all(&bytes)
        })
    }

    /// The piece of the shard `name`, where both are there and whole; else the shard is made again.
    pub(super) fn load(dir: &Path, name: &str) -> Option<Self> {
        let bytes = fs::read(path(dir, name)).ok()?;
        let (crc, rest) = bytes.split_first_chunk::<4>()?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*crc) {
            return None;
        }
        let line = rest.iter().position(|&b| b == b'\n')?;
        let facts: Facts = serde_json::from_slice(&rest[..line]).ok()?;
        let sums = &rest[line + 1..];
        let sums = if sums.is_empty() { None } else { Some(Sums::from_bytes(sums)?) };
        let shard = dir.join(name);
        let length = fs::metadata(&shard).ok()?.len();
        let mut header = [0; HEADER];
        File::open(&shard).ok()?.read_exact(&mut header).ok()?;
        let (_, checksum) = Header::parse(&header, &shard).ok()?;
        let same = facts.shard.file == name
            && facts.shard.bytes == length
            && facts.shard.checksum.0 == checksum;
        same.then_some(Self { facts, sums })
    }
}
