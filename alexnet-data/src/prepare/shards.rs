//! Writes records into shards of a stated number of records.

use super::output::Output;
use crate::header::{Entry, HEADER, Header, RAW};
use crate::manifest::Checksum;
use crate::whole::WholeFile;
use crate::{Error, ShardInfo};
use std::io::{Seek, SeekFrom, Write};

/// The shards of one split.
pub(super) struct ShardWriter<'a> {
    output: &'a mut Output,
    split: &'a str,
    size: usize,
    per_shard: usize,
    open: Option<OpenShard>,
    done: Vec<ShardInfo>,
}

struct OpenShard {
    name: String,
    file: WholeFile,
    records: u64,
    index: Vec<u8>,
}

impl<'a> ShardWriter<'a> {
    pub(super) fn new(
        output: &'a mut Output,
        split: &'a str,
        size: usize,
        per_shard: usize,
    ) -> Self {
        Self { output, split, size, per_shard, open: None, done: Vec::new() }
    }

    /// Adds one raw record with the CRC-32 of its pixels.
    pub(super) fn add(&mut self, label: u32, crc: u32, pixels: &[u8]) -> Result<(), Error> {
        let shard = match &mut self.open {
            Some(shard) => shard,
            None => {
                let name = format!("{}-{:05}.shard", self.split, self.done.len());
                let mut file = WholeFile::create(&self.output.add(&name))?;
                write(&mut file, &[0; HEADER])?; // its place; the header is known at the end
                self.open.insert(OpenShard { name, file, records: 0, index: Vec::new() })
            }
        };
        let offset = HEADER as u64 + shard.records * pixels.len() as u64;
        let entry = Entry { label, crc, offset, length: pixels.len() as u32, encoding: RAW };
        shard.index.extend(entry.to_bytes());
        shard.records += 1;
        write(&mut shard.file, pixels)?;
        if shard.records == self.per_shard as u64 { self.close() } else { Ok(()) }
    }

    /// Closes the last shard; the list of all.
    pub(super) fn finish(mut self) -> Result<Vec<ShardInfo>, Error> {
        self.close()?;
        Ok(self.done)
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(OpenShard { name, mut file, records, index }) = self.open.take() else {
            return Ok(());
        };
        write(&mut file, &index)?;
        let header = Header {
            records,
            height: self.size as u32,
            width: self.size as u32,
            records_length: records * (self.size * self.size * 3) as u64,
            index_crc: crc32fast::hash(&index),
        };
        let path = file.path().to_path_buf();
        file.file().seek(SeekFrom::Start(0)).map_err(Error::io("write", path))?;
        let bytes = header.to_bytes();
        write(&mut file, &bytes)?;
        file.commit()?;
        let length = HEADER as u64 + header.records_length + index.len() as u64;
        let checksum = Checksum(header_checksum(&bytes));
        self.done.push(ShardInfo { file: name, records, bytes: length, checksum });
        Ok(())
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
