//! An input that is the same unpacked or in an archive: a folder, a zip, a tar or a tar.gz.

use super::listing::Scan;
use super::packed::PackedTree;
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A folder, or the files of an archive.
pub(super) enum Root {
    Folder(PathBuf),
    Packed(PackedTree),
}

impl Root {
    /// The input: a folder, or an archive.
    pub(super) fn open(input: &Path, scan: &mut Scan<'_>) -> Result<Self> {
        match fs::metadata(input).map_err(Error::io("read", input))?.is_dir() {
            true => Ok(Self::Folder(input.into())),
            false => PackedTree::open(input, scan).map(Self::Packed),
        }
    }

    /// Its path, for errors.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) => path,
            Self::Packed(tree) => &tree.path,
        }
    }

    /// Whether it holds the folder `path`.
    pub(super) fn has_folder(&self, path: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(path).is_dir(),
            Self::Packed(tree) => {
                let path = format!("{path}/");
                tree.files.iter().any(|file| file.path().starts_with(&path))
            }
        }
    }

    /// The bytes of the file `path` of the folder, or of the file of this name anywhere in the
    /// archive; `None` where it is not there.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Packed(tree) => tree.read(super::names::file_name(path), limit),
            Self::Folder(folder) => {
                let path = folder.join(path);
                if !path.try_exists().map_err(Error::io("read", &path))? {
                    return Ok(None);
                }
                // Asked before it is opened: to open a pipe would wait forever.
                if !path.is_file() {
                    return Err(Error::source(path, "is no file"));
                }
                let file = File::open(&path).map_err(Error::io("open", &path))?;
                let mut bytes = Vec::new();
                file.take(limit + 1).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
                if bytes.len() as u64 > limit {
                    let problem = format!("has more than the {limit} bytes that are read of it");
                    return Err(Error::source(path, problem));
                }
                Ok(Some(bytes))
            }
        }
    }
}

/// The archive with one of these official names that the folder `input` holds, where it does not
/// hold what is in it; otherwise the input itself, or its folder `unpacked`.
pub(super) fn official(input: &Path, unpacked: &[&str], archives: &[&str]) -> PathBuf {
    let inside = unpacked.iter().map(|name| input.join(name)).find(|path| path.is_dir());
    let packed = || archives.iter().map(|name| input.join(name)).find(|path| path.is_file());
    inside.or_else(packed).unwrap_or_else(|| input.into())
}
