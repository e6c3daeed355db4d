//! How an archive is packed, and what it holds, as far as that is needed to recognise it.

use super::archive::Archive;
use super::gzip;
use super::names;
use super::tar::plain;
use super::zip::walk;
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

/// The most names that are looked at to recognise an archive, each of another folder or kind.
const MAX_SAMPLE: usize = 1000;
/// The most inflated bytes of a tar.gz that are read to recognise it.
const MAX_SAMPLED_BYTES: u64 = 1 << 28;

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Zip,
    Tar,
    TarGz,
}

impl Packing {
    /// How the file `path` is packed, by its first bytes or, where they say nothing, by its name;
    /// `None` for what is no archive, and an error for one that we cannot read.
    pub(super) fn of(path: &Path) -> Result<Option<Self>> {
        let mut start = Vec::new();
        let file = File::open(path).map_err(Error::io("open", path))?;
        file.take(512).read_to_end(&mut start).map_err(Error::io("read", path))?;
        let other = [
            (&b"BZh"[..], "bzip2", "bunzip2"),
            (b"\xfd7zXZ\0", "xz", "unxz"),
            (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
            (b"7z\xbc\xaf\x27\x1c", "7z", "7z x"),
            (b"Rar!\x1a\x07", "rar", "unrar x"),
        ];
        if let Some((_, kind, how)) = other.iter().find(|(magic, ..)| start.starts_with(magic)) {
            let problem = format!(
                "is compressed by {kind}, which cannot be read in place; expected a zip, a tar or \
                 a tar.gz: unpack it once (`{how} {}`), and give what comes out",
                path.display()
            );
            return Err(Error::source(path, problem));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        Ok(if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            Some(Self::Zip)
        } else if start.starts_with(&[0x1f, 0x8b]) {
            Some(Self::TarGz)
        } else if start.get(257..262) == Some(b"ustar") || name.ends_with(".tar") {
            Some(Self::Tar)
        } else if name.ends_with(".tgz") || name.ends_with(".tar.gz") {
            Some(Self::TarGz)
        } else {
            name.ends_with(".zip").then_some(Self::Zip)
        })
    }
}

/// Whether a path has a name in it that file managers and archivers leave behind.
pub(super) fn is_junk(path: &str) -> bool {
    path.split('/').any(|name| names::is_junk(OsStr::new(name)))
}

/// The paths of some files of the archive `path`: of each folder, one with each extension. Empty
/// for a file that is no archive.
pub(super) fn sample(path: &Path) -> Result<Vec<String>> {
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    let mut add = |name: &str| {
        let name = name.replace('\\', "/");
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", &name));
        let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
        if !is_junk(&name) && seen.insert(format!("{folder}/.{extension}")) {
            names.push(plain(&name).to_owned());
        }
        match seen.len() < MAX_SAMPLE {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    };
    match Packing::of(path)? {
        None => (),
        Some(Packing::Zip) => walk(&Archive::open(path)?, |file| add(&file.name))?,
        Some(Packing::Tar) => {
            let archive = Archive::open(path)?;
            let mut tar = ::tar::Archive::new(archive.window(0, archive.length));
            names_of(tar.entries_with_seek(), path, &mut add)?;
        }
        Some(Packing::TarGz) => {
            let mut tar = ::tar::Archive::new(gzip::reader(path)?.take(MAX_SAMPLED_BYTES));
            // The limit may cut an entry, and what is wrong with it is told when it is listed.
            let cut = names_of(tar.entries(), path, &mut add);
            drop(tar);
            cut.or_else(|error| if names.is_empty() { Err(error) } else { Ok(()) })?;
        }
    }
    Ok(names)
}

fn names_of<R: Read>(
    entries: std::io::Result<::tar::Entries<'_, R>>,
    path: &Path,
    add: &mut impl FnMut(&str) -> ControlFlow<()>,
) -> Result<()> {
    let damaged =
        |e| Error::source(path, format!("is cut short or damaged ({e}): download it again"));
    for entry in entries.map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        let is_file = kind.is_file() || kind.is_hard_link() || kind.is_contiguous();
        if is_file && add(&String::from_utf8_lossy(&entry.path_bytes())).is_break() {
            break;
        }
    }
    Ok(())
}
