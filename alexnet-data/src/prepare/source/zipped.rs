//! Images inside a zip, read in place: each a range of bytes, stored as it is or deflated.

use super::archive::Window;
use super::packed::{Archive, MAX_BYTES};
use super::{Images, wrong};
use crate::{Decoder, Error, Pixels};
use flate2::read::DeflateDecoder;
use std::io::{BufReader, Read};
use zip::CompressionMethod;
use zip::read::Config;
use zip::unstable::read::ZipIterable;

/// Bytes of a local header before the name.
const LOCAL: usize = 30;

/// A file of a zip.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// Where its local header begins.
    header: u64,
    /// Bytes in the zip, and of the file itself.
    stored: u64,
    length: u64,
    crc: u32,
    deflated: bool,
}

/// Calls `each` with the name and the place of every file of a zip, in the order of its directory.
///
/// The directory is read as it goes: an archive of millions of files takes no memory. Nothing is
/// believed of a file but that it lies inside the archive.
pub(super) fn walk(
    archive: &Archive,
    mut each: impl FnMut(&str, File) -> Result<(), Error>,
) -> Result<(), Error> {
    let fail = |e: &dyn std::fmt::Display| {
        let problem = format!("is cut short or damaged ({e}): download it again");
        wrong(&archive.path, problem)
    };
    // A little more than an entry of the directory, as the reader seeks to each of them.
    let input = BufReader::with_capacity(256, Window::whole(archive));
    let mut zip = ZipIterable::try_new(input, Config::default()).map_err(|e| fail(&e))?;
    for entry in zip.files().map_err(|e| fail(&e))? {
        let entry = entry.map_err(|e| fail(&e))?;
        if !entry.is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.encrypted() {
            return Err(wrong(&archive.path, format!("has the encrypted file {name}")));
        }
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::DEFLATE => true,
            other => {
                let problem = format!(
                    "has {name} compressed by {other:?}; expected stored or deflated files"
                );
                return Err(wrong(&archive.path, problem));
            }
        };
        let (header, stored, length) =
            (entry.header_start(), entry.compressed_size(), entry.size());
        let end = header.checked_add(LOCAL as u64).and_then(|start| start.checked_add(stored));
        if end.is_none_or(|end| end > archive.length) {
            return Err(fail(&format!("{name} reaches beyond its end")));
        }
        each(&name, File { header, stored, length, crc: entry.crc32(), deflated })?;
    }
    Ok(())
}

impl File {
    /// The file's bytes, at most `limit` of them and no more memory than that.
    pub(super) fn read(&self, archive: &Archive, limit: u64) -> Result<Vec<u8>, String> {
        let longest = self.length.max(self.stored);
        if longest > limit {
            return Err(format!("{longest} bytes, more than the limit of {limit}"));
        }
        let io = |e: std::io::Error| e.to_string();
        let mut local = [0; LOCAL];
        archive.read_at(&mut local, self.header).map_err(io)?;
        if local[..4] != *b"PK\x03\x04" {
            return Err("the zip has no file where its directory says: download it again".into());
        }
        // The name and the extra field may be other ones than the directory's.
        let part = |at: usize| u64::from(u16::from_le_bytes([local[at], local[at + 1]]));
        let start = self.header + LOCAL as u64 + part(26) + part(28);
        let mut bytes = vec![0; self.stored as usize];
        archive.read_at(&mut bytes, start).map_err(io)?;
        if self.deflated {
            let mut inflated = Vec::new();
            // One more than the directory says: enough to see that it lies.
            let mut input = DeflateDecoder::new(&bytes[..]).take(self.length + 1);
            input.read_to_end(&mut inflated).map_err(|e| format!("cannot be inflated: {e}"))?;
            bytes = inflated;
        }
        let got = (bytes.len() as u64, crc32fast::hash(&bytes));
        if got != (self.length, self.crc) {
            let ((length, crc), want) = (got, (self.length, self.crc));
            return Err(format!(
                "has {length} bytes with checksum {crc:08x}; the zip says {} with {:08x}",
                want.0, want.1
            ));
        }
        Ok(bytes)
    }
}

/// The images of a split.
pub(super) struct Zipped {
    pub(super) archive: Archive,
    /// Label, name and place, in the order of the split.
    pub(super) items: Vec<(u32, Box<str>, File)>,
}

impl Images for Zipped {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.items[i].0
    }

    fn name(&self, i: usize) -> String {
        self.items[i].1.to_string()
    }

    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, String> {
        let bytes = self.items[i].2.read(&self.archive, MAX_BYTES)?;
        decoder.decode(&bytes).map_err(|e| e.to_string())
    }
}
