//! Archives: files that hold images, read at any position by many threads.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

/// An open archive, which many threads can read at any position.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(super) path: PathBuf,
    pub(crate) length: u64,
    file: File,
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            return Err(Error::source(path, "is no file; expected an archive"));
        }
        Ok(Self { path: path.into(), length: metadata.len(), file })
    }

    /// Fills `buffer` with the bytes from `offset` on.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset);
        #[cfg(not(unix))]
        {
            // Threads would share the position of one handle, so each call opens its own.
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(buffer)
        }
    }

    /// The range `start .. start + length` as a file. Only one thread at a time may list an
    /// archive, because all ranges share the position of the one file.
    pub(super) fn window(&self, start: u64, length: u64) -> Result<Take<&File>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start)).map_err(Error::io("read", &self.path))?;
        Ok(file.take(length))
    }
}
