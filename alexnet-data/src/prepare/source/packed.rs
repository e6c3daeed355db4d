//! Images inside archives, each a range of bytes of a file: read in place, never unpacked.

use super::Images;
use crate::{Decoder, Error, Pixels};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Images longer than this are not read: none of 100 million pixels needs it.
pub(super) const MAX_BYTES: u64 = 1 << 28;

/// An archive open for reading at any place, by many threads.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) path: PathBuf,
    pub(super) length: u64,
    file: File,
}

/// One image of an archive.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) archive: usize,
    pub(super) label: u32,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) name: Box<str>,
}

/// The images of a split.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pub(super) archives: Vec<Archive>,
    pub(super) items: Vec<Item>,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        if !metadata.is_file() {
            return Err(super::wrong(path, "is no file; expected an archive"));
        }
        Ok(Self { path: path.into(), length: metadata.len(), file })
    }

    /// Fills `buffer` from `offset` on.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset);
        #[cfg(not(unix))]
        {
            use std::io::{Read, Seek, SeekFrom};
            // A handle of its own: the position of a handle is shared by its threads.
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(buffer)
        }
    }
}

impl Images for Packed {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.items[i].label
    }

    fn name(&self, i: usize) -> String {
        self.items[i].name.to_string()
    }

    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, String> {
        let Item { archive, offset, length, .. } = self.items[i];
        if length > MAX_BYTES {
            return Err(format!("{length} bytes, more than the limit of {MAX_BYTES}"));
        }
        let mut bytes = vec![0; length as usize];
        self.archives[archive].read_at(&mut bytes, offset).map_err(|e| e.to_string())?;
        decoder.decode(&bytes).map_err(|e| e.to_string())
    }
}
