//! Writes the records of one shard.

use crate::header::{Entry, HEADER, Header};
use crate::manifest::Checksum;
use crate::whole::WholeFile;
use crate::{Error, ShardInfo};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// A shard under way; it vanishes when dropped.
pub(super) struct ShardWriter {
    name: String,
    size: usize,
    file: WholeFile,
    records: u64,
    length: u64,
    index: Vec<u8>,
}

impl ShardWriter {
    pub(super) fn create(dir: &Path, name: String, size: usize) -> Result<Self, Error> {
        let mut file = WholeFile::create(&dir.join(&name))?;
        write(&mut file, &[0; HEADER])?; // its place; the header is known at the end
        Ok(Self { name, size, file, records: 0, length: 0, index: Vec::new() })
    }

    /// Adds one record with the CRC-32 of its bytes.
    pub(super) fn add(
        &mut self,
        label: u32,
        crc: u32,
        encoding: u32,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let offset = HEADER as u64 + self.length;
        let entry = Entry { label, crc, offset, length: bytes.len() as u32, encoding };
        self.index.extend(entry.to_bytes());
        self.records += 1;
        self.length += bytes.len() as u64;
        write(&mut self.file, bytes)
    }

    /// Bytes of the whole file, as it stands.
    pub(super) fn bytes(&self) -> u64 {
        HEADER as u64 + self.length + self.index.len() as u64
    }

    /// Puts the shard into its folder.
    pub(super) fn finish(mut self) -> Result<ShardInfo, Error> {
        write(&mut self.file, &self.index)?;
        let header = Header {
            records: self.records,
            height: self.size as u32,
            width: self.size as u32,
            records_length: self.length,
            index_crc: crc32fast::hash(&self.index),
        };
        let (path, length) = (self.file.path().to_path_buf(), self.bytes());
        self.file.file().seek(SeekFrom::Start(0)).map_err(Error::io("write", path))?;
        let bytes = header.to_bytes();
        write(&mut self.file, &bytes)?;
        self.file.commit()?;
        Ok(ShardInfo {
            file: self.name,
            records: self.records,
            bytes: length,
            checksum: Checksum(header_checksum(&bytes)),
        })
    }
}

/// The checksum a header ends with.
fn header_checksum(header: &[u8; HEADER]) -> u32 {
    crc32fast::hash(&header[..HEADER - 4])
}

fn write(file: &mut WholeFile, bytes: &[u8]) -> Result<(), Error> {
    let path = file.path().to_path_buf();
    file.file().write_all(bytes).map_err(Error::io("write", path))
}
