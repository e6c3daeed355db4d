//! Memory-mapped files, whose bytes are lent only while something looks after them; and reading
//! parts of them ahead. The `unsafe` of this crate is in this folder.

mod fault;

pub use self::fault::survive_cut_files;

pub(crate) use self::fault::survives_cut_files;
use self::fault::{Region, while_reading};
use crate::error::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

/// A file that is mapped whole.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: Mmap,
    region: Region,
}

/// Opens a file for reading that is no folder, pipe or device.
pub(crate) fn open_regular(path: &Path) -> Result<File> {
    // Looked at before it is opened, because to open a named pipe is to wait for its writer.
    if !std::fs::metadata(path).map_err(Error::io("open", path))?.is_file() {
        let kind = std::io::Error::new(ErrorKind::InvalidData, "it is not a regular file");
        return Err(Error::io("map", path)(kind));
    }
    File::open(path).map_err(Error::io("open", path))
}

impl Mapping {
    /// Maps the whole `file`, which was opened at `path`.
    #[allow(unsafe_code)] // a mapping is the reason the format exists: pixels without a copy
    pub(crate) fn new(file: &File, path: &Path) -> Result<Self> {
        // SAFETY: no one may change or shorten the file while it is mapped. This crate never does:
        // shards are written under another name, renamed when whole, and never opened for writing
        // again. FORMAT.md and the documentation of `Dataset` demand the same of everyone else. If
        // someone does it all the same, whoever borrows the bytes gets others than he expects. So
        // they are borrowed only within `read`, by code that takes any bytes: the checksum, the
        // copy of a crop, and a decoder written for hostile files. What these made of a file that
        // changed meanwhile is thrown away (`Shard::with_record`).
        let map = unsafe { Mmap::map(file) }.map_err(Error::io("map", path))?;
        let region = Region::new(map.as_ptr_range());
        Ok(Self { map, region })
    }

    /// The length of the file when it was mapped.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Gives a range of the file to `read`. While it runs, pages that the system cannot read are
    /// replaced by zeros, if the program has asked for it ([`survive_cut_files`]), on this thread
    /// alone: `read` must not hand the bytes to another one.
    pub(crate) fn read<T>(&self, range: Range<usize>, read: impl FnOnce(&[u8]) -> T) -> T {
        let bytes = &self.map[range];
        while_reading(&self.region, || read(bytes))
    }

    /// Whether a page has been replaced by zeros. It stays so, whatever becomes of the file.
    pub(crate) fn has_holes(&self) -> bool {
        self.region.has_holes()
    }

    /// Asks the system to begin reading a range of the file from disk. This is a hint: nothing
    /// waits for it, and where the system refuses it, the first access to the bytes reads them.
    pub(crate) fn prefetch(&self, range: Range<usize>) {
        #[cfg(unix)]
        let _ = self.map.advise_range(memmap2::Advice::WillNeed, range.start, range.len());
        #[cfg(not(unix))]
        let _ = range;
    }
}

#[cfg(all(test, unix))]
mod tests;
