//! Memory-mapped files, and reading parts of them ahead: the only `unsafe` of this crate.

use crate::error::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// Maps a whole file for reading.
#[allow(unsafe_code)] // a mapping is the reason the format exists: pixels without a copy
pub(crate) fn map(path: &Path) -> Result<Mmap> {
    // Looked at before it is opened, because to open a named pipe is to wait for its writer.
    if !std::fs::metadata(path).map_err(Error::io("open", path))?.is_file() {
        let kind = std::io::Error::new(ErrorKind::InvalidData, "it is not a regular file");
        return Err(Error::io("map", path)(kind));
    }
    let file = File::open(path).map_err(Error::io("open", path))?;
    // SAFETY: no one may change or shorten the file while it is mapped. This crate never does:
    // shards are written under another name, renamed when whole, and never opened for writing
    // again. FORMAT.md and the documentation of `Dataset` demand the same of everyone else.
    unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))
}

/// Asks the system to begin reading a range of the file from disk. This is a hint: nothing waits
/// for it, and where the system refuses it, the first access to the bytes reads them.
pub(crate) fn prefetch(map: &Mmap, offset: usize, length: usize) {
    #[cfg(unix)]
    let _ = map.advise_range(memmap2::Advice::WillNeed, offset, length);
    #[cfg(not(unix))]
    let _ = (map, offset, length);
}
