//! One memory-mapped shard, checked when it is opened and when a record is first read.

use crate::checksum::Checksum;
use crate::error::{Error, Result};
use crate::file_watch::{FileWatch, Look};
use crate::header::{ENTRY, Entry, HEADER, Header};
use crate::manifest::ShardInfo;
use crate::mmap::{Mapping, open_regular, survives_cut_files};
use crate::record::{self, JPEG, RAW};
use std::io::{Read, Seek, SeekFrom};
use std::ops::AddAssign;
use std::path::Path;

/// A mapped shard whose header and index have been checked.
#[derive(Debug)]
pub(crate) struct Shard {
    path: Box<Path>,
    map: Mapping,
    watch: FileWatch,
    /// The index, a copy: what it says of lengths is true whatever becomes of the file.
    entries: Box<[Entry]>,
    size: [usize; 2],
    /// Raw records and JPEG records.
    pub(crate) amounts: [Amount; 2],
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
        let mut file = open_regular(path)?;
        let map = Mapping::new(&file, path)?;
        // Header and index are read, not mapped: a file that is being cut is then a plain error.
        let mut first = Vec::with_capacity(HEADER);
        file.by_ref()
            .take(HEADER as u64)
            .read_to_end(&mut first)
            .map_err(Error::io("read", path))?;
        let (header, checksum) = Header::parse(&first, path)?;
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
        let (records, index_offset) = (header.records as usize, header.index_offset());
        let mut index = vec![0; records * ENTRY];
        file.seek(SeekFrom::Start(index_offset)).map_err(Error::io("read", path))?;
        file.read_exact(&mut index).map_err(Error::io("read", path))?;
        let (want, got) = (Checksum(header.index_crc), Checksum::of(&index));
        if got != want {
            return bad("the index's checksum", &want, &got);
        }
        let raw_length = (size[0] * size[1] * 3) as u64;
        let (mut end, mut amounts) = (HEADER as u64, [Amount::default(); 2]);
        let entries: Box<[_]> = index.chunks_exact(ENTRY).map(Entry::parse).collect();
        for entry in &entries {
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
        if end != index_offset {
            let want = format!("{} bytes, as its index says", end - HEADER as u64);
            return bad("the record area", &want, &(index_offset - HEADER as u64));
        }
        let watch = FileWatch::new(file, records).map_err(Error::io("read", path))?;
        if watch.opened_length() != length {
            return bad("its length", &format!("{length} bytes"), &watch.opened_length());
        }
        Ok(Self { path: path.into(), map, watch, entries, size, amounts })
    }

    /// The index, an entry for each record.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Decodes the JPEG record `i`, which has these `bytes`, into `buffer`.
    pub(crate) fn decode(&self, i: usize, bytes: &[u8], buffer: &mut Vec<u8>) -> Result<()> {
        record::decode(bytes, self.size, buffer).map_err(|reason| {
            let (path, [height, width]) = (self.path.to_path_buf(), self.size);
            Error::BadRecord { path, record: i, height, width, reason }
        })
    }

    /// Asks the system to begin reading record `i` of the shard from disk. A record that was read
    /// before is usually still in memory, so for such a one the system is called only with `again`.
    pub(crate) fn prefetch(&self, i: usize, again: bool) {
        if again || !self.watch.is_compared(i) {
            self.map.prefetch(self.entries[i].range());
        }
    }

    /// Gives the index entry and the bytes of record `i` of the shard to `read`, after their
    /// checksum was compared, if it was not since the file last changed. What `read` returns counts
    /// only if the file did not change meanwhile, or if the checksum is right all the same.
    ///
    /// `read` must not hand the bytes to another thread (see [`Mapping::read`]).
    pub(crate) fn with_record<T>(
        &self,
        i: usize,
        read: impl FnOnce(&Entry, &[u8]) -> Result<T>,
    ) -> Result<T> {
        let entry = &self.entries[i];
        self.map.read(entry.range(), |bytes| {
            // A look takes a thirtieth of the time of a crop. A program that survives a cut file
            // can do without this one, which in others keeps the process from reading such a file.
            if !(survives_cut_files() && self.watch.is_compared(i)) {
                let look = self.look(i)?;
                if !look.is_compared {
                    self.compare(i, bytes)?;
                    self.watch.remember(i, look);
                }
            }
            let result = read(entry, bytes);
            if !self.look(i)?.is_compared {
                self.compare(i, bytes)?;
            }
            result
        })
    }

    /// Looks whether record `i` can be read as when the shard was opened.
    fn look(&self, i: usize) -> Result<Look> {
        let look = self.watch.look(i).map_err(|e| Error::io("look at", &*self.path)(e))?;
        let (expected, found) = (self.watch.opened_length(), look.length);
        if found != expected || self.map.has_holes() {
            let path = self.path.to_path_buf();
            return Err(Error::UnreadableRecord { path, record: i, expected, found });
        }
        Ok(look)
    }

    /// Compares the bytes of record `i` with their checksum.
    fn compare(&self, i: usize, bytes: &[u8]) -> Result<()> {
        let (expected, got) = (self.entries[i].crc, crc32fast::hash(bytes));
        if got != expected {
            self.look(i)?; // to say rather why, where the file was cut short
            let path = self.path.to_path_buf();
            return Err(Error::DamagedRecord { path, record: i, expected, got });
        }
        Ok(())
    }
}

#[cfg(all(test, unix))]
#[path = "shard_tests.rs"]
mod tests;
