//! One shard, mapped: the checks made when it is opened and when a record is first read.

use crate::dataset::Amount;
use crate::header::{ENTRY, Entry, HEADER, Header};
use crate::map::map;
use crate::record::{self, JPEG, RAW};
use crate::{Error, Manifest, ShardInfo};
use memmap2::Mmap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A mapped shard whose header and index are known to be whole.
#[derive(Debug)]
pub(crate) struct Shard {
    path: Box<Path>,
    map: Mmap,
    records: usize,
    index: usize,
    size: [usize; 2],
    /// Raw records and JPEG records.
    amounts: [Amount; 2],
    /// One bit a record: its checksum has been found right in this mapping. A second check of the
    /// same mapped bytes buys nothing (they are read-only pages of a file no one changes), and
    /// costs more than the crop itself: it would halve the loader's rate.
    checked: Box<[AtomicU64]>,
}

/// What every shard of a dataset must agree with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Bytes of a raw record.
    pub(crate) record: usize,
    pub(crate) classes: usize,
}

impl Expected {
    /// What the manifest of a dataset says of its shards.
    pub(crate) fn of(manifest: &Manifest) -> Self {
        Self {
            height: manifest.height,
            width: manifest.width,
            record: manifest.height * manifest.width * 3,
            classes: manifest.classes.len(),
        }
    }
}

impl Shard {
    /// Opens `path` and checks its length, its header, its index and what `info` says of them.
    /// Nothing is allocated in proportion to a number that has not been checked against the length.
    pub(crate) fn open(path: &Path, info: &ShardInfo, expected: Expected) -> Result<Self, Error> {
        let bad = |what, want: &dyn ToString, got: &dyn ToString| {
            Err(Error::damaged(path, what, want.to_string(), got.to_string()))
        };
        let map = map(path)?;
        let (header, crc) = Header::parse(&map, path)?;
        let length = map.len() as u64;
        if header.file_length() != Some(length) || info.bytes != length {
            return bad("its length", &format!("{} bytes", info.bytes), &format!("{length} bytes"));
        }
        if info.checksum.0 != crc {
            let named = "the header's checksum (manifest.json names the shard it belongs to)";
            return bad(named, &info.checksum, &crate::manifest::Checksum(crc));
        }
        let dims = (header.height as usize, header.width as usize);
        if dims != (expected.height, expected.width) {
            let want = format!("{}×{}", expected.height, expected.width);
            return bad("the image size", &want, &format!("{}×{}", dims.0, dims.1));
        }
        if header.records != info.records {
            return bad("the number of records", &info.records, &header.records);
        }
        // Both fit: they are parts of a length that fits, since the file is mapped.
        let (records, index) = (header.records as usize, header.index_offset() as usize);
        let got = crc32fast::hash(&map[index..]);
        if got != header.index_crc {
            let want = format!("{:08x}", header.index_crc);
            return bad("the index's checksum", &want, &format!("{got:08x}"));
        }
        let (mut end, mut amounts) = (HEADER as u64, [Amount::default(); 2]);
        for entry in map[index..].chunks_exact(ENTRY).map(Entry::parse) {
            let length = u64::from(entry.length);
            let fits = match entry.encoding {
                RAW => length == expected.record as u64,
                JPEG => length > 0,
                _ => return bad("an encoding", &"0 (raw) or 1 (JPEG)", &entry.encoding),
            };
            if entry.offset != end || !fits {
                let want = "a record that starts where the one before it ends";
                return bad("an index entry", &want, &format!("{entry:?}"));
            }
            end += length; // below 2⁶⁴: there are fewer than 2⁴⁰ entries of less than 2³² each
            amounts[entry.encoding as usize] += Amount { records: 1, bytes: length };
            if entry.label as usize >= expected.classes {
                let want = format!("less than {}", expected.classes);
                return bad("a label", &want, &entry.label);
            }
        }
        if end != index as u64 {
            let want = format!("{} bytes, as its index says", end - HEADER as u64);
            return bad("the record area", &want, &(index - HEADER));
        }
        let checked = (0..records.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let size = [expected.height, expected.width];
        Ok(Self { path: path.into(), map, records, index, size, amounts, checked })
    }

    pub(crate) fn len(&self) -> usize {
        self.records
    }

    /// The index entry of record `i`, which the caller knows to be less than `len`.
    pub(crate) fn entry(&self, i: usize) -> Entry {
        Entry::parse(&self.map[self.index + i * ENTRY..])
    }

    /// Raw records and JPEG records in it.
    pub(crate) fn amounts(&self) -> [Amount; 2] {
        self.amounts
    }

    /// Decodes `bytes`, those of the JPEG record `i`, into `buffer`.
    pub(crate) fn decode(&self, i: usize, bytes: &[u8], buffer: &mut Vec<u8>) -> Result<(), Error> {
        record::decode(bytes, self.size, buffer).map_err(|reason| {
            let (path, [height, width]) = (self.path.to_path_buf(), self.size);
            Error::BadRecord { path, record: i, height, width, reason }
        })
    }

    /// Asks the system to begin reading record `i < len` from disk. One that has been read before is in
    /// memory as a rule, and then a call of the system for nothing is spared, unless `again` says not to.
    pub(crate) fn will_need(&self, i: usize, again: bool) {
        let read = self.checked[i / 64].load(Ordering::Relaxed) & 1 << (i % 64) != 0;
        if again || !read {
            let entry = self.entry(i);
            crate::map::will_need(&self.map, entry.offset as usize, entry.length as usize);
        }
    }

    /// The index entry and the bytes of record `i < len`, their checksum compared the first time.
    pub(crate) fn stored(&self, i: usize) -> Result<(Entry, &[u8]), Error> {
        let entry = self.entry(i);
        let start = entry.offset as usize;
        let bytes = &self.map[start..start + entry.length as usize];
        let (word, bit) = (&self.checked[i / 64], 1 << (i % 64));
        // Relaxed: the bit carries no other data; two threads that race both check, harmlessly.
        if word.load(Ordering::Relaxed) & bit == 0 {
            let got = crc32fast::hash(bytes);
            if got != entry.crc {
                let (path, expected) = (self.path.to_path_buf(), entry.crc);
                return Err(Error::DamagedRecord { path, record: i, expected, got });
            }
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok((entry, bytes))
    }
}
