//! Images in files: in a folder, or inside archives that are read in place and never unpacked.

use super::listing::{Images, LoadError};
use super::names::text_of;
use crate::decode::Decoder;
use crate::decode::pixels::Pixels;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// Longer images are not read: no image of 100 million pixels needs as many bytes.
const MAX_BYTES: u64 = 1 << 28;

/// Where one image file is: a path, or a range of an archive.
pub(crate) trait Location: Sync {
    /// What the images of a split are in: the root of a tree, or open archives.
    type Storage: Sync;
    /// The name of the image in the report.
    fn name(&self) -> String;
    /// Reads the file if it has at most `limit` bytes.
    fn read(&self, storage: &Self::Storage, limit: u64) -> Result<Vec<u8>, LoadError>;
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

    fn load(&self, i: usize, decoder: &mut Decoder) -> Result<Pixels, LoadError> {
        let bytes = self.files[i].1.read(&self.storage, MAX_BYTES)?;
        decoder.decode(&bytes).map_err(|e| LoadError::Image(e.to_string()))
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
        text_of(self)
    }

    fn read(&self, root: &PathBuf, limit: u64) -> Result<Vec<u8>, LoadError> {
        let path = root.join(self);
        let file = File::open(&path).map_err(LoadError::input(&path))?;
        let length = file.metadata().map_err(LoadError::input(&path))?.len();
        check_length(length, limit)?;
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(length as usize).map_err(io::Error::from);
        room.map_err(LoadError::input(&path))?;
        file.take(limit).read_to_end(&mut bytes).map_err(LoadError::input(&path))?;
        if (bytes.len() as u64) < length {
            let short = format!("it ended after {} of its {length} bytes", bytes.len());
            let short = io::Error::new(io::ErrorKind::UnexpectedEof, short);
            return Err(LoadError::input(&path)(short));
        }
        Ok(bytes)
    }
}
