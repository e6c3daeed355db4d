//! The bytes of a shard's header and of its index, as FORMAT.md defines them.

use crate::checksum::Checksum;
use crate::error::{Error, Result};
use std::ops::Range;
use std::path::Path;

/// Bytes of the header: one page, so that the first record starts on a page.
pub(crate) const HEADER: usize = 4096;
/// Bytes of one index entry.
pub(crate) const ENTRY: usize = 24;
/// The version of the format, in shards and in the manifest.
pub(crate) const VERSION: u32 = 1;
/// Colour channels of every record.
pub(crate) const CHANNELS: usize = 3;
/// The largest side of a stored image: the length of a record is then far below 2³².
pub(crate) const MAX_SIDE: usize = 4096;

/// As in PNG, a program that treats the file as text breaks these bytes, which is then noticed.
const MAGIC: [u8; 8] = *b"\x89AXS\r\n\x1a\n";
/// The offset of the header's own checksum.
const CHECKSUM: usize = HEADER - 4;

/// The numbers in a shard's header from which all its other bytes follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) records: u64,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) records_length: u64,
    pub(crate) index_crc: u32,
}

/// One entry of a shard's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) label: u32,
    pub(crate) crc: u32,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) encoding: u32,
}

impl Header {
    /// Bytes of the whole file; `None` where they overflow.
    pub(crate) fn file_length(&self) -> Option<u64> {
        let index = self.records.checked_mul(ENTRY as u64)?;
        (HEADER as u64).checked_add(self.records_length)?.checked_add(index)
    }

    /// The offset of the index; it cannot overflow where `file_length` has a value.
    pub(crate) fn index_offset(&self) -> u64 {
        HEADER as u64 + self.records_length
    }

    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let Self { records, height, width, records_length, index_crc } = self;
        let sizes = [VERSION, HEADER as u32, height, width, CHANNELS as u32, ENTRY as u32];
        let index_length = records * ENTRY as u64;
        let areas = [records, HEADER as u64, records_length, self.index_offset(), index_length];
        let (sizes, areas) = (sizes.map(u32::to_le_bytes), areas.map(u64::to_le_bytes));
        let fields = [&MAGIC, sizes.as_flattened(), areas.as_flattened(), &index_crc.to_le_bytes()];
        let fields = fields.concat();
        let mut out = [0; HEADER];
        out[..fields.len()].copy_from_slice(&fields);
        seal(&mut out);
        out
    }

    /// Reads and checks the header at the start of `bytes`; returns its checksum beside it.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<(Self, Checksum)> {
        let bytes = bytes.get(..HEADER).ok_or_else(|| {
            let expected = format!("at least {HEADER} bytes");
            Error::damaged(path, "its length", expected, bytes.len())
        })?;
        if bytes[..8] != MAGIC {
            let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
            return Err(Error::damaged(path, "its first 8 bytes", hex(&MAGIC), hex(&bytes[..8])));
        }
        // The version is compared before the checksum, which another version may have elsewhere.
        let version = u32_at(bytes, 8);
        if version != VERSION {
            let (expected, got) = (VERSION.into(), version.into());
            return Err(Error::Version { path: path.into(), expected, got });
        }
        let (stored, checksum) = (checksum_of(bytes), Checksum::of(&bytes[..CHECKSUM]));
        if stored != checksum {
            return Err(Error::damaged(path, "the header's checksum", stored, checksum));
        }
        let header = Self {
            height: u32_at(bytes, 16),
            width: u32_at(bytes, 20),
            records: u64_at(bytes, 32),
            records_length: u64_at(bytes, 48),
            index_crc: u32_at(bytes, 72),
        };
        // All other bytes follow from these five numbers, the zeros included.
        if header.file_length().is_none() || header.to_bytes()[..] != *bytes {
            return Err(Error::damaged(path, "the header", "consistent", "contradictions"));
        }
        Ok((header, checksum))
    }
}

impl Entry {
    /// Where the record lies in the file.
    pub(crate) fn range(&self) -> Range<usize> {
        let start = self.offset as usize;
        start..start + self.length as usize
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let words = [self.label, self.crc, self.length, self.encoding];
        let [label, crc, length, encoding] = words.map(u32::to_le_bytes);
        [&label[..], &crc, &self.offset.to_le_bytes(), &length, &encoding].concat()
    }

    /// Reads the entry at the start of `bytes`, which has at least [`ENTRY`] bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self {
            label: u32_at(bytes, 0),
            crc: u32_at(bytes, 4),
            offset: u64_at(bytes, 8),
            length: u32_at(bytes, 16),
            encoding: u32_at(bytes, 20),
        }
    }
}

/// The checksum that the header at the start of `bytes` ends with.
pub(crate) fn checksum_of(bytes: &[u8]) -> Checksum {
    Checksum(u32_at(bytes, CHECKSUM))
}

/// Writes the right checksum into the header at the start of `bytes`.
pub(crate) fn seal(bytes: &mut [u8]) {
    let checksum = Checksum::of(&bytes[..CHECKSUM]);
    bytes[CHECKSUM..HEADER].copy_from_slice(&checksum.0.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
