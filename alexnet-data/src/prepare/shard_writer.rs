//! Writes the records of one shard.

use crate::atomic_file::AtomicFile;
use crate::checksum::Checksum;
use crate::error::Result;
use crate::header::{Entry, HEADER, Header, checksum_of};
use crate::manifest::ShardInfo;
use std::path::Path;

/// One record, encoded and ready to be written.
pub(super) struct Record {
    pub(super) bytes: Vec<u8>,
    pub(super) checksum: Checksum,
    pub(super) encoding: u32,
}

/// An unfinished shard, which vanishes when it is dropped.
pub(super) struct ShardWriter {
    name: String,
    size: usize,
    file: AtomicFile,
    records: u64,
    length: u64,
    index: Vec<u8>,
}

impl ShardWriter {
    pub(super) fn create(dir: &Path, name: String, size: usize) -> Result<Self> {
        let mut file = AtomicFile::create(&dir.join(&name))?;
        file.write(&[0; HEADER])?; // room for the header, which is known at the end
        Ok(Self { name, size, file, records: 0, length: 0, index: Vec::new() })
    }

    /// Adds one record.
    pub(super) fn add(&mut self, label: u32, record: &Record) -> Result<()> {
        let Record { bytes, checksum: Checksum(crc), encoding } = record;
        let (offset, length) = (HEADER as u64 + self.length, bytes.len() as u32);
        let entry = Entry { label, crc: *crc, offset, length, encoding: *encoding };
        self.index.extend(entry.to_bytes());
        self.records += 1;
        self.length += bytes.len() as u64;
        self.file.write(bytes)
    }

    /// The length of the file if it were finished now.
    pub(super) fn bytes(&self) -> u64 {
        HEADER as u64 + self.length + self.index.len() as u64
    }

    /// Writes index and header, and puts the shard into its folder.
    pub(super) fn finish(mut self) -> Result<ShardInfo> {
        self.file.write(&self.index)?;
        let header = Header {
            records: self.records,
            height: self.size as u32,
            width: self.size as u32,
            records_length: self.length,
            index_crc: crc32fast::hash(&self.index),
        };
        let (header, bytes) = (header.to_bytes(), self.bytes());
        self.file.rewind()?;
        self.file.write(&header)?;
        self.file.commit()?;
        let checksum = checksum_of(&header);
        Ok(ShardInfo { file: self.name, records: self.records, bytes, checksum })
    }
}
