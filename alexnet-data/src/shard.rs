//! One memory-mapped shard, checked when it is opened and when a record is first read.

use crate::checksum::Checksum;
use crate::error::{Error, Result};
use crate::header::{ENTRY, Entry, HEADER, Header};
use crate::manifest::ShardInfo;
use crate::mmap::{map, prefetch};
use crate::record::{self, JPEG, RAW};
use memmap2::Mmap;
use std::ops::AddAssign;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A mapped shard whose header and index have been checked.
#[derive(Debug)]
pub(crate) struct Shard {
    path: Box<Path>,
    map: Mmap,
    pub(crate) records: usize,
    index: usize,
    size: [usize; 2],
    /// Raw records and JPEG records.
    pub(crate) amounts: [Amount; 2],
    /// One bit for each record: whether its checksum was compared in this mapping. To compare it
    /// again would find nothing, because no one may change a mapped file, and it takes longer than
    /// the crop: it would halve the rate of the loader.
    checked: Box<[AtomicU64]>,
}

/// How many records there are of a kind, and the bytes they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// The number of records.
    pub records: u64,
    /// Their bytes in the record areas of the shards.
    pub bytes: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

impl Shard {
    /// Opens `path`, checks its length, header and index, and compares them with what the manifest
    /// says of the shard and with the size of its images and its number of classes. A number is
    /// compared with the length of the file before memory is allocated in proportion to it.
    pub(crate) fn open(
        path: &Path,
        info: &ShardInfo,
        size: [usize; 2],
        classes: usize,
    ) -> Result<Self> {
        let bad = |what, want: &dyn ToString, got: &dyn ToString| {
            Err(Error::damaged(path, what, want.to_string(), got.to_string()))
        };
        let map = map(path)?;
        let (header, checksum) = Header::parse(&map, path)?;
        let length = map.len() as u64;
        if header.file_length() != Some(length) || info.bytes != length {
            return bad("its length", &format!("{} bytes", info.bytes), &format!("{length} bytes"));
        }
        if info.checksum != checksum {
            let named = "the header's checksum (manifest.json names the shard it belongs to)";
            return bad(named, &info.checksum, &checksum);
        }
        let found = [header.height as usize, header.width as usize];
        if found != size {
            let [want, got] = [size, found].map(|[height, width]| format!("{height}×{width}"));
            return bad("the image size", &want, &got);
        }
        if header.records != info.records {
            return bad("the number of records", &info.records, &header.records);
        }
        // Both fit into usize, because the mapped file has them in its length.
        let (records, index) = (header.records as usize, header.index_offset() as usize);
        let (want, got) = (Checksum(header.index_crc), Checksum::of(&map[index..]));
        if got != want {
            return bad("the index's checksum", &want, &got);
        }
        let raw_length = (size[0] * size[1] * 3) as u64;
        let (mut end, mut amounts) = (HEADER as u64, [Amount::default(); 2]);
        for entry in map[index..].chunks_exact(ENTRY).map(Entry::parse) {
            let length = u64::from(entry.length);
            let fits = match entry.encoding {
                RAW => length == raw_length,
                JPEG => length > 0,
                _ => return bad("an encoding", &"0 (raw) or 1 (JPEG)", &entry.encoding),
            };
            if entry.offset != end || !fits {
                let want = "a record that starts where the one before it ends";
                return bad("an index entry", &want, &format!("{entry:?}"));
            }
            end += length; // below 2⁶⁴, with fewer than 2⁴⁰ entries of less than 2³² bytes each
            amounts[entry.encoding as usize] += Amount { records: 1, bytes: length };
            if entry.label as usize >= classes {
                return bad("a label", &format!("less than {classes}"), &entry.label);
            }
        }
        if end != index as u64 {
            let want = format!("{} bytes, as its index says", end - HEADER as u64);
            return bad("the record area", &want, &(index - HEADER));
        }
        let checked = (0..records.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { path: path.into(), map, records, index, size, amounts, checked })
    }

    /// The index entry of record `i` < `records`.
    pub(crate) fn entry(&self, i: usize) -> Entry {
        Entry::parse(&self.map[self.index + i * ENTRY..])
    }

    /// Decodes the JPEG record `i`, which has these `bytes`, into `buffer`.
    pub(crate) fn decode(&self, i: usize, bytes: &[u8], buffer: &mut Vec<u8>) -> Result<()> {
        record::decode(bytes, self.size, buffer).map_err(|reason| {
            let (path, [height, width]) = (self.path.to_path_buf(), self.size);
            Error::BadRecord { path, record: i, height, width, reason }
        })
    }

    /// Asks the system to begin reading record `i` < `records` from disk. A record that was read
    /// before is usually still in memory, so for such a one the system is called only with `again`.
    pub(crate) fn prefetch(&self, i: usize, again: bool) {
        let read = self.checked[i / 64].load(Ordering::Relaxed) & 1 << (i % 64) != 0;
        if again || !read {
            let entry = self.entry(i);
            prefetch(&self.map, entry.offset as usize, entry.length as usize);
        }
    }

    /// The index entry and the bytes of record `i` < `records`; the first time, their checksum is
    /// compared.
    pub(crate) fn stored(&self, i: usize) -> Result<(Entry, &[u8])> {
        let entry = self.entry(i);
        let start = entry.offset as usize;
        let bytes = &self.map[start..start + entry.length as usize];
        let (word, bit) = (&self.checked[i / 64], 1 << (i % 64));
        // Relaxed, as no other data depend on the bit; two threads that race both compare.
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
