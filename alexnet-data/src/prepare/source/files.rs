//! Images in files: in a folder, or inside archives that are read in place and never unpacked.

use super::listing::Images;
use crate::decode::Decoder;
use crate::decode::pixels::Pixels;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

/// Longer images are not read: no image of 100 million pixels needs as many bytes.
const MAX_BYTES: u64 = 1 << 28;

/// Where one image file is: a path, or a range of an archive.
pub(crate) trait Location: Sync {
    /// What the images of a split are in: the root of a tree, or open archives.
    type Storage: Sync;
    /// The name of the image in the report.
    fn name(&self) -> String;
    /// Reads the file if it has at most `limit` bytes.
    fn read(&self, storage: &Self::Storage, limit: u64) -> Result<Vec<u8>, String>;
}

/// The image files of a split, each with its label.
pub(super) struct ImageFiles<L: Location> {
    pub(super) storage: L::Storage,
    pub(super) files: Vec<(u32, L)>,
}

impl<L: Location> Images for ImageFiles<L> {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.files[i].0
    }

    fn name(&self, i: usize) -> String {
        self.files[i].1.name()
    }

    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, String> {
        let bytes = self.files[i].1.read(&self.storage, MAX_BYTES)?;
        decoder.decode(&bytes).map_err(|e| e.to_string())
    }
}

/// Refuses a file of more than `limit` bytes.
pub(super) fn check_length(length: u64, limit: u64) -> Result<(), String> {
    let error = || format!("{length} bytes, more than the limit of {limit}");
    if length > limit { Err(error()) } else { Ok(()) }
}

/// A path below the root of a tree.
impl Location for PathBuf {
    type Storage = PathBuf;

    fn name(&self) -> String {
        self.to_string_lossy().into_owned()
    }

    fn read(&self, root: &PathBuf, limit: u64) -> Result<Vec<u8>, String> {
        let fail = |e: io::Error| e.to_string();
        let file = File::open(root.join(self)).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        check_length(length, limit)?;
        let mut bytes = Vec::with_capacity(length as usize);
        file.take(limit).read_to_end(&mut bytes).map_err(fail)?;
        Ok(bytes)
    }
}

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
