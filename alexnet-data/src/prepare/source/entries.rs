//! What a folder of the input holds; what cannot be read is an error, and never passed over.

use super::names::{is_image, is_junk};
use crate::decode::kind::Kind;
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The first bytes of a file that tell whether it is an image.
pub(super) const FIRST_BYTES: usize = 32;
/// Linux follows no more links than this, one after another.
const MAX_LINKS: usize = 40;

/// What an entry of a folder is, after the links that lead to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    Folder,
    File,
    /// A link that leads to neither, for this reason.
    BrokenLink(&'static str),
    /// A pipe or a device: to open it might wait forever.
    Other,
}

/// An entry of a folder.
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) kind: EntryKind,
}

/// The entries of a folder, sorted by the bytes of their names, without those that file managers
/// and archivers leave behind; and how many of these there are.
pub(super) fn entries(dir: &Path) -> Result<(Vec<Entry>, u64)> {
    let (mut entries, mut junk) = (Vec::new(), 0);
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let entry = entry.map_err(Error::io("read", dir))?;
        let (name, path) = (entry.file_name(), entry.path());
        if is_junk(&name) {
            junk += 1;
            continue;
        }
        let kind = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind_of(kind),
            // A link to a folder counts as one, because people make trees of such links.
            _ => match fs::metadata(&path) {
                Ok(metadata) => kind_of(metadata.file_type()),
                Err(error) => match broken_link(&path, &error) {
                    Some(reason) => EntryKind::BrokenLink(reason),
                    None => return Err(Error::io("read", path)(error)),
                },
            },
        };
        entries.push(Entry { name, kind });
    }
    entries.sort_by(|a, b| a.name.as_encoded_bytes().cmp(b.name.as_encoded_bytes()));
    Ok((entries, junk))
}

fn kind_of(kind: FileType) -> EntryKind {
    match (kind.is_dir(), kind.is_file()) {
        (true, _) => EntryKind::Folder,
        (_, true) => EntryKind::File,
        _ => EntryKind::Other,
    }
}

/// Why the link `path` can be followed nowhere, where `error` came of that; `None` for every other
/// error, which says nothing of the tree.
pub(super) fn broken_link(path: &Path, error: &io::Error) -> Option<&'static str> {
    let mut target: PathBuf = path.into();
    for _ in 0..MAX_LINKS {
        let Ok(next) = fs::read_link(&target) else {
            let nothing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
            return (target != path && nothing).then_some("a link that leads to nothing");
        };
        target = target.parent().unwrap_or(Path::new("")).join(next);
    }
    Some("a link that leads in a circle")
}

/// Whether a file is an image by its extension or by its first bytes.
pub(crate) fn looks_like_image(path: &Path) -> Result<bool> {
    if is_image(path) {
        return Ok(true);
    }
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::with_capacity(FIRST_BYTES);
    file.take(FIRST_BYTES as u64).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(Kind::of(&bytes).is_some())
}
