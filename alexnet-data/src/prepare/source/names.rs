//! The names of files and of classes, and what they say.

use crate::error::{Error, Result};
use crate::manifest::Class;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

/// The extensions of images, also of those that are not decoded; their content decides what they
/// are.
pub(super) const IMAGE_EXTENSIONS: [&str; 14] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "bmp", "webp", "tif", "tiff", "gif", "avif", "heic",
    "heif", "jxl",
];
/// Files and folders that file managers, archivers and file systems leave beside images, in lower
/// case.
const JUNK: [&str; 14] = [
    "__macosx",
    ".ds_store",
    ".appledouble",
    ".spotlight-v100",
    ".trashes",
    ".fseventsd",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "@eadir",
    "#recycle",
    "lost+found",
];

/// Whether a file has the extension of an image.
pub(crate) fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    IMAGE_EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e))
}

/// Whether a file or folder of this name is never an image or a class, whatever it holds. On
/// macOS, `._cat.jpg` has attributes of `cat.jpg`.
pub(crate) fn is_junk(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"._") || JUNK.iter().any(|j| name.eq_ignore_ascii_case(j))
}

pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

/// A name or path as text. Bytes that are not UTF-8 are written as `\xE9`, so that other names stay
/// other names.
pub(super) fn text_of(name: impl AsRef<OsStr>) -> String {
    let mut text = String::new();
    for chunk in name.as_ref().as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
    }
    text
}

/// Whether a name is a WordNet id: `n` and eight digits.
pub(super) fn is_wnid(name: &str) -> bool {
    name.len() == 9 && name.starts_with('n') && name[1..].bytes().all(|b| b.is_ascii_digit())
}

/// The WordNet id of which this is the tar, `n01440764.tar`.
pub(super) fn wnid_of_tar(name: &str) -> Option<&str> {
    name.strip_suffix(".tar").filter(|id| is_wnid(id))
}

/// The last component of a path inside an archive.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The names in a folder, in no order.
pub(in crate::prepare) fn names_in(dir: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(dir).map_err(Error::io("read", dir))?;
    entries.map(|e| e.map(|e| e.file_name()).map_err(Error::io("read", dir))).collect()
}

/// The classes whose names are the lines of a file; so many of them, all different.
pub(super) fn named_classes(path: &Path, count: RangeInclusive<usize>) -> Result<Vec<Class>> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    classes_named(String::from_utf8_lossy(&bytes).lines(), path, count)
}

/// The classes of these names, which the file `path` lists; so many of them, all different.
pub(super) fn classes_named<'a>(
    names: impl Iterator<Item = &'a str>,
    path: &Path,
    count: RangeInclusive<usize>,
) -> Result<Vec<Class>> {
    let names: Vec<_> = names.map(str::trim).filter(|name| !name.is_empty()).collect();
    let different = names.iter().collect::<HashSet<_>>().len();
    if !count.contains(&names.len()) || different < names.len() {
        let (got, want) = (names.len(), count.start());
        let problem = format!("lists {got} names of classes; expected {want} different ones");
        return Err(Error::source(path, problem));
    }
    Ok(names.into_iter().map(Class::named).collect())
}
