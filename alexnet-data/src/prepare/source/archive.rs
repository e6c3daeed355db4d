//! Archives: files that hold images, read at any position by many threads.

use crate::error::{Error, Result};
use crate::open_files::archives_at_once;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// An open archive, which many threads can read at any position.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(super) path: PathBuf,
    pub(crate) length: u64,
    file: File,
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        // Asked before it is opened: to open a pipe would wait forever.
        if !fs::metadata(path).map_err(Error::io("open", path))?.is_file() {
            return Err(Error::source(path, "is no file; expected an archive"));
        }
        Self::of(path, File::open(path).map_err(Error::io("open", path))?)
    }

    /// The archive in `file`, which errors call `path`.
    pub(super) fn of(path: &Path, file: File) -> Result<Self> {
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        Ok(Self { path: path.into(), length, file })
    }

    /// Fills `buffer` with the bytes from `offset` on.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match read_at(&self.file, &mut buffer[done..], offset + done as u64) {
                Ok(0) => {
                    return Err(changed(&self.path, "it ends earlier than when it was listed"));
                }
                Ok(read) => done += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(Error::io("read", &self.path)(error)),
            }
        }
        Ok(())
    }

    /// The range `start .. start + length` as a file of its own.
    pub(super) fn window(&self, start: u64, length: u64) -> Window<'_> {
        Window { file: &self.file, start, length, position: 0 }
    }
}

/// The archive is not the one that was listed. This is an error of reading, and none of the input,
/// because the same command continues when the archive is whole again.
fn changed(path: &Path, how: &str) -> Error {
    let how = format!("{how}, so it changed meanwhile");
    Error::io("read", path)(io::Error::new(ErrorKind::UnexpectedEof, how))
}

/// Reads some bytes from `offset` on; no thread moves the position of another.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, offset);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
}

/// A range of an archive, with a position of its own.
#[derive(Debug)]
pub(super) struct Window<'a> {
    file: &'a File,
    start: u64,
    length: u64,
    /// Counted from `start`.
    position: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = read_at(self.file, &mut buffer[..most], self.start + self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// An archive that is open, and its number.
type Slot = Mutex<Option<(usize, Arc<Archive>)>>;

/// Any number of archives, of which a bounded number are open: ImageNet's Fall 2011 release has
/// 21,841, and a process may often open 1,024 files.
///
/// Archive n uses slot n modulo the number of slots, and is opened again when another one took it.
#[derive(Debug)]
pub(crate) struct Archives {
    /// Their paths, and their lengths when they were listed.
    listed: Vec<(PathBuf, u64)>,
    slots: Vec<Slot>,
}

impl Default for Archives {
    fn default() -> Self {
        let slots = archives_at_once();
        Self { listed: Vec::new(), slots: (0..slots).map(|_| Slot::default()).collect() }
    }
}

impl Archives {
    /// Adds an archive, whose number is that of the archives before.
    pub(super) fn push(&mut self, archive: Archive) {
        let number = self.listed.len();
        self.listed.push((archive.path.clone(), archive.length));
        let slot = number % self.slots.len();
        self.slots[slot] = Mutex::new(Some((number, Arc::new(archive))));
    }

    /// The number of archives.
    pub(super) fn len(&self) -> usize {
        self.listed.len()
    }

    /// The path of an archive.
    pub(super) fn path(&self, number: usize) -> &Path {
        &self.listed[number].0
    }

    /// An archive, opened again if it is not open.
    pub(super) fn get(&self, number: usize) -> Result<Arc<Archive>> {
        let slot = &self.slots[number % self.slots.len()];
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, archive)) = slot.as_ref().filter(|(open, _)| *open == number) {
            return Ok(archive.clone());
        }
        let (path, length) = &self.listed[number];
        let archive = Archive::open(path)?;
        if archive.length != *length {
            let how = format!("it has {} bytes, {length} when it was listed", archive.length);
            return Err(changed(path, &how));
        }
        let archive = Arc::new(archive);
        *slot = Some((number, archive.clone()));
        Ok(archive)
    }
}
