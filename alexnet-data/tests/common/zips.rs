//! Zips, small, with every field in the test's hands: stored or deflated, with 64-bit fields, with
//! lies.

use flate2::{Compression, write::DeflateEncoder};
use std::io::Write;

/// A file of a zip to be.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) crc: u32,
    /// What both headers say of the bytes in the zip, and of the file.
    pub(crate) stored: u64,
    pub(crate) length: u64,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn stored(name: &str, bytes: &[u8]) -> Entry {
    let (length, crc) = (bytes.len() as u64, crc32fast::hash(bytes));
    let (name, bytes) = (name.to_owned(), bytes.to_vec());
    Entry { name, method: 0, flags: 0, crc, stored: length, length, bytes }
}

pub(crate) fn deflated(name: &str, bytes: &[u8]) -> Entry {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    let deflated = encoder.finish().unwrap();
    Entry { method: 8, stored: deflated.len() as u64, bytes: deflated, ..stored(name, bytes) }
}

pub(crate) fn encrypted(name: &str) -> Entry {
    Entry { flags: 1, ..stored(name, b"secret") }
}

impl Entry {
    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }
}

/// A zip of these files; with `wide`, all lengths and places stand in zip64 fields.
pub(crate) fn zip_of(files: &[Entry], wide: bool) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for file in files {
        let at = out.len() as u64;
        let short = |n: u64| if wide { u32::MAX } else { n as u32 };
        let extra = |place: Option<u64>| {
            let fields = [Some(file.length), Some(file.stored), place];
            let bytes: Vec<u8> = fields.into_iter().flatten().flat_map(u64::to_le_bytes).collect();
            match wide {
                true => [&[1, 0, bytes.len() as u8, 0][..], &bytes].concat(),
                false => Vec::new(),
            }
        };
        let common = |extra: &[u8]| {
            let mut header = vec![if wide { 45 } else { 20 }, 0];
            [file.flags, file.method, 0, 33].iter().for_each(|v| header.extend(v.to_le_bytes()));
            let numbers = [file.crc, short(file.stored), short(file.length)];
            numbers.iter().for_each(|v| header.extend(v.to_le_bytes()));
            header.extend((file.name.len() as u16).to_le_bytes());
            header.extend((extra.len() as u16).to_le_bytes());
            header
        };
        let local = extra(None);
        out.extend(b"PK\x03\x04");
        out.extend([&common(&local)[..], file.name.as_bytes(), &local, &file.bytes].concat());
        let central = extra(Some(at));
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(common(&central));
        directory.extend([0; 10]); // no comment, disk 0, no attributes
        directory.extend(short(at).to_le_bytes());
        directory.extend([file.name.as_bytes(), &central].concat());
    }
    let (start, size, count) = (out.len() as u64, directory.len() as u64, files.len() as u64);
    out.extend(directory);
    if wide {
        let end = out.len() as u64;
        out.extend(b"PK\x06\x06");
        out.extend(44u64.to_le_bytes());
        out.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        [count, count, size, start].iter().for_each(|v| out.extend(v.to_le_bytes()));
        out.extend(b"PK\x06\x07\0\0\0\0");
        out.extend(end.to_le_bytes());
        out.extend(1u32.to_le_bytes());
    }
    out.extend(b"PK\x05\x06\0\0\0\0");
    let count = if wide { u16::MAX } else { count as u16 };
    out.extend([count, count].map(u16::to_le_bytes).concat());
    let place = |n: u64| if wide { u32::MAX } else { n as u32 };
    out.extend([place(size), place(start)].map(u32::to_le_bytes).concat());
    out.extend([0, 0]);
    out
}
