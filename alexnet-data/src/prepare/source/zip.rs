//! Zip archives read in place, with stored or deflated files.

use super::archive::Archive;
use super::files::{Location, check_length};
use super::listing::LoadError;
use crate::error::{Error, Result};
use flate2::read::DeflateDecoder;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use zip::CompressionMethod;
use zip::read::Config;
use zip::unstable::read::ZipIterable;

/// Bytes of a local header before the name.
const LOCAL_HEADER: usize = 30;

/// A file of a zip.
pub(crate) struct ZipFile {
    /// Its path in the zip; of an image, its name in the report.
    pub(super) name: Box<str>,
    /// The offset of its local header.
    header: u64,
    /// Its bytes in the zip.
    stored: u64,
    /// Its bytes after inflation.
    length: u64,
    crc: u32,
    deflated: bool,
}

/// Calls `each` with every file of a zip, in the order of its directory, until it breaks.
///
/// The directory is read piece by piece, so that an archive of millions of files needs no memory
/// for it. A size may be a lie, except that the file is inside the archive.
pub(crate) fn walk(
    archive: &Archive,
    mut each: impl FnMut(ZipFile) -> ControlFlow<()>,
) -> Result<()> {
    let wrong = |problem: String| Error::source(&archive.path, problem);
    let fail = |e: &dyn std::fmt::Display| {
        wrong(format!("is cut short or damaged ({e}): download it again"))
    };
    // The buffer is little longer than an entry, because the reader seeks to each entry.
    let input = BufReader::with_capacity(256, archive.window(0, archive.length));
    let mut zip = ZipIterable::try_new(input, Config::default()).map_err(|e| fail(&e))?;
    for entry in zip.files().map_err(|e| fail(&e))? {
        let entry = entry.map_err(|e| fail(&e))?;
        if !entry.is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.encrypted() {
            return Err(wrong(format!("has the encrypted file {name}")));
        }
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::DEFLATE => true,
            other => {
                let expected = "expected stored or deflated files";
                return Err(wrong(format!("has {name} compressed by {other:?}; {expected}")));
            }
        };
        let (header, stored, length) =
            (entry.header_start(), entry.compressed_size(), entry.size());
        let end = header.checked_add(LOCAL_HEADER as u64).and_then(|at| at.checked_add(stored));
        if end.is_none_or(|end| end > archive.length) {
            return Err(fail(&format!("{name} reaches beyond its end")));
        }
        let (name, crc) = (name.into(), entry.crc32());
        if each(ZipFile { name, header, stored, length, crc, deflated }).is_break() {
            break;
        }
    }
    Ok(())
}

impl Location for ZipFile {
    type Storage = Archive;

    fn name(&self) -> String {
        self.name.to_string()
    }

    /// Uses no more memory than `limit`, whatever the zip says of the file.
    fn read(&self, archive: &Archive, limit: u64) -> Result<Vec<u8>, LoadError> {
        check_length(self.length.max(self.stored), limit)?;
        let mut local = [0; LOCAL_HEADER];
        archive.read_at(&mut local, self.header).map_err(LoadError::Input)?;
        if local[..4] != *b"PK\x03\x04" {
            let reason = "the zip has no file where its directory says: download it again";
            return Err(LoadError::Image(reason.into()));
        }
        // The name and the extra field may be longer or shorter than in the directory.
        let part = |at: usize| u64::from(u16::from_le_bytes([local[at], local[at + 1]]));
        let start = self.header + LOCAL_HEADER as u64 + part(26) + part(28);
        let mut bytes = vec![0; self.stored as usize];
        archive.read_at(&mut bytes, start).map_err(LoadError::Input)?;
        if self.deflated {
            let mut inflated = Vec::new();
            // One byte more than the directory says shows that there are more.
            let mut input = DeflateDecoder::new(&bytes[..]).take(self.length + 1);
            input.read_to_end(&mut inflated).map_err(|e| format!("cannot be inflated: {e}"))?;
            bytes = inflated;
        }
        let (length, crc) = (bytes.len() as u64, crc32fast::hash(&bytes));
        if (length, crc) != (self.length, self.crc) {
            return Err(LoadError::Image(format!(
                "has {length} bytes with checksum {crc:08x}; the zip says {} with {:08x}",
                self.length, self.crc
            )));
        }
        Ok(bytes)
    }
}
