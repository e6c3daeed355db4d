//! The bytes of a shard's header and index, as FORMAT.md lays them out.

use crate::Error;
use std::path::Path;

/// Bytes of the header: one page, so that the records start on a page.
pub(crate) const HEADER: usize = 4096;
/// Bytes of one index entry.
pub(crate) const ENTRY: usize = 24;
/// The format's version, of shards and of the manifest.
pub(crate) const VERSION: u32 = 1;
/// Colour channels of every record.
pub(crate) const CHANNELS: usize = 3;

/// Not text, and broken by whoever treats it as text, as PNG's.
const MAGIC: [u8; 8] = *b"\x89AXS\r\n\x1a\n";
/// Where the header's own checksum lies.
const CHECKSUM: usize = HEADER - 4;

/// The facts of a shard's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) records: u64,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) records_length: u64,
    pub(crate) index_crc: u32,
}

/// One line of a shard's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) label: u32,
    pub(crate) crc: u32,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) encoding: u32,
}

impl Header {
    /// Bytes of the whole file; `None` where the numbers do not fit.
    pub(crate) fn file_length(&self) -> Option<u64> {
        let index = self.records.checked_mul(ENTRY as u64)?;
        (HEADER as u64).checked_add(self.records_length)?.checked_add(index)
    }

    /// Where the index starts; in range once `file_length` is known to be the file's.
    pub(crate) fn index_offset(&self) -> u64 {
        HEADER as u64 + self.records_length
    }

    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&MAGIC);
        for v in [VERSION, HEADER as u32, self.height, self.width, CHANNELS as u32, ENTRY as u32] {
            put(&v.to_le_bytes());
        }
        let index_length = self.records * ENTRY as u64;
        let areas = [HEADER as u64, self.records_length, self.index_offset(), index_length];
        for v in [self.records].into_iter().chain(areas) {
            put(&v.to_le_bytes());
        }
        put(&self.index_crc.to_le_bytes());
        let crc = crc32fast::hash(&out[..CHECKSUM]);
        out[CHECKSUM..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads and checks a header and its checksum, which is returned beside it.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<(Self, u32), Error> {
        let bytes = bytes.get(..HEADER).ok_or_else(|| {
            let expected = format!("at least {HEADER} bytes");
            Error::damaged(path, "its length", expected, bytes.len())
        })?;
        if bytes[..8] != MAGIC {
            let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
            return Err(Error::damaged(path, "its first 8 bytes", hex(&MAGIC), hex(&bytes[..8])));
        }
        // The version comes before the checksum: another version may have that elsewhere.
        let version = u32_at(bytes, 8);
        if version != VERSION {
            let (expected, got) = (VERSION.into(), version.into());
            return Err(Error::Version { path: path.into(), expected, got });
        }
        let (stored, crc) = (u32_at(bytes, CHECKSUM), crc32fast::hash(&bytes[..CHECKSUM]));
        if stored != crc {
            return Err(Error::damaged(
                path,
                "the header's checksum",
                format!("{stored:08x}"),
                format!("{crc:08x}"),
            ));
        }
        let header = Self {
            height: u32_at(bytes, 16),
            width: u32_at(bytes, 20),
            records: u64_at(bytes, 32),
            records_length: u64_at(bytes, 48),
            index_crc: u32_at(bytes, 72),
        };
        // Every other byte follows from these five numbers, the zeros too.
        if header.file_length().is_none() || header.to_bytes()[..] != *bytes {
            return Err(Error::damaged(path, "the header", "consistent", "contradictions"));
        }
        Ok((header, crc))
    }
}

impl Entry {
    pub(crate) fn to_bytes(self) -> [u8; ENTRY] {
        let mut out = [0; ENTRY];
        out[..4].copy_from_slice(&self.label.to_le_bytes());
        out[4..8].copy_from_slice(&self.crc.to_le_bytes());
        out[8..16].copy_from_slice(&self.offset.to_le_bytes());
        out[16..20].copy_from_slice(&self.length.to_le_bytes());
        out[20..].copy_from_slice(&self.encoding.to_le_bytes());
        out
    }

    /// `bytes` holds at least [`ENTRY`] bytes.
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

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A header and an entry come back as they were written.
        #[test]
        fn round_trip(records in 0u64..1 << 40, height: u32, width: u32, length in 0u64..1 << 50,
                      crc: u32, label: u32, offset: u64, encoding: u32) {
            let header = Header { records, height, width, records_length: length, index_crc: crc };
            let (back, _) = Header::parse(&header.to_bytes(), Path::new("s")).unwrap();
            prop_assert_eq!(back, header);
            let entry = Entry { label, crc, offset, length: height, encoding };
            prop_assert_eq!(Entry::parse(&entry.to_bytes()), entry);
        }

        /// Any 4096 bytes, with or without a true checksum, are read or refused, never a panic.
        #[test]
        fn hostile_headers(mut bytes in prop::collection::vec(any::<u8>(), HEADER), magic: bool) {
            if magic {
                bytes[..8].copy_from_slice(&MAGIC);
                bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
                let crc = crc32fast::hash(&bytes[..CHECKSUM]);
                bytes[CHECKSUM..].copy_from_slice(&crc.to_le_bytes());
            }
            prop_assert!(Header::parse(&bytes, Path::new("s")).is_err());
        }
    }
}
