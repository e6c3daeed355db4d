//! Trees of files inside one archive: a zip, a tar or a tar.gz, read in place.

use super::archive::Archive;
use super::entries::FIRST_BYTES;
use super::files::Location;
use super::gzip;
use super::listing::{LoadError, Scan};
use super::names::{self, file_name, is_image};
use super::tar::{self, Member, Tar, plain, read_range};
use super::zip::{ZipFile, walk};
use crate::decode::kind::Kind;
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most names that are looked at to recognise an archive, each of another folder or kind.
const MAX_SAMPLE: usize = 1000;
/// The most inflated bytes of a tar.gz that are read to recognise it.
const MAX_SAMPLED_BYTES: u64 = 1 << 28;

/// The most bytes of a file in a zip that are inflated to tell whether it is an image.
const MAX_UNNAMED: u64 = 1 << 26;

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

/// A file inside an archive.
pub(super) enum PackedFile {
    Tar(Member),
    Zip(ZipFile),
}

impl PackedFile {
    /// Its path in the tree.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Tar(file) => &file.name,
            Self::Zip(file) => &file.name,
        }
    }

    /// Whether it is an image by its extension or by its first bytes.
    pub(super) fn looks_like_image(&self, archive: &Arc<Archive>) -> Result<bool> {
        if is_image(Path::new(self.path())) {
            return Ok(true);
        }
        let start = match self {
            Self::Tar(file) => {
                read_range(archive, file.offset, file.length.min(FIRST_BYTES as u64), u64::MAX)
            }
            Self::Zip(file) => file.read(archive, MAX_UNNAMED),
        };
        match start {
            Ok(start) => Ok(Kind::of(&start).is_some()),
            Err(LoadError::Image(_)) => Ok(false),
            Err(LoadError::Input(error)) => Err(error),
        }
    }

    /// Gives it another path.
    pub(super) fn rename(&mut self, path: Box<str>) {
        match self {
            Self::Tar(file) => file.name = path,
            Self::Zip(file) => file.name = path,
        }
    }
}

impl Location for PackedFile {
    type Storage = Arc<Archive>;

    fn name(&self) -> String {
        self.path().to_owned()
    }

    fn read(&self, archive: &Arc<Archive>, limit: u64) -> Result<Vec<u8>, LoadError> {
        match self {
            Self::Tar(file) => read_range(archive, file.offset, file.length, limit),
            Self::Zip(file) => file.read(archive, limit),
        }
    }
}

/// The files of an archive, by their paths below its root: where all files are in one folder, that
/// folder is the root. What a system left in it is not among them.
pub(super) struct PackedTree {
    pub(super) path: PathBuf,
    pub(super) archive: Arc<Archive>,
    pub(super) files: Vec<PackedFile>,
}

impl PackedTree {
    /// Lists the archive `path`; a tar.gz is inflated into a file without a name in the folder in
    /// which the preparation works.
    pub(super) fn open(path: &Path, scan: &mut Scan<'_>) -> Result<Self> {
        let (mut files, mut images) = (Vec::new(), 0);
        let mut add = |mut file: PackedFile, scan: &mut Scan<'_>| {
            let name = file.path().replace('\\', "/");
            let name = plain(&name);
            if is_junk(name) {
                scan.ignored += 1;
                return;
            }
            if is_image(Path::new(name)) {
                images += 1;
                if images % 10_000 == 0 {
                    scan.found(10_000);
                }
            }
            file.rename(name.into());
            files.push(file);
        };
        let packing = Packing::of(path)?.ok_or_else(|| {
            let expected = "expected a folder, or a zip, a tar or a tar.gz of one";
            Error::source(path, format!("is no folder and no archive; {expected}"))
        })?;
        let archive = match packing {
            Packing::TarGz => gzip::inflate(path, scan)?,
            Packing::Zip | Packing::Tar => Archive::open(path)?,
        };
        if packing == Packing::Zip {
            walk(&archive, |file| {
                add(PackedFile::Zip(file), scan);
                ControlFlow::Continue(())
            })?;
        } else {
            let content = tar::read(&archive, 0, archive.length)?;
            content.note_left_out("train", "", scan);
            let Tar { members, .. } = content;
            members.into_iter().for_each(|member| add(PackedFile::Tar(member), scan));
        }
        scan.found(images % 10_000);
        let mut tree = Self { path: path.into(), archive: Arc::new(archive), files };
        tree.enter_root();
        Ok(tree)
    }

    /// Makes paths begin below the folder that holds all files, unless it is a class.
    fn enter_root(&mut self) {
        while let Some((root, _)) = self.files.first().and_then(|f| f.path().split_once('/')) {
            let root = format!("{root}/");
            let below = |file: &PackedFile| {
                let below = file.path().strip_prefix(&root);
                below.is_some_and(|path| path.contains('/') || !is_image(Path::new(path)))
            };
            if !self.files.iter().all(below) {
                break;
            }
            for file in &mut self.files {
                let path = file.path()[root.len()..].into();
                file.rename(path);
            }
        }
    }

    /// The bytes of the file of this name, wherever it is, if they are at most `limit`; `None`
    /// where there is no such file, an error where there are two.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let mut named = self.files.iter().filter(|file| file_name(file.path()) == name);
        let Some(file) = named.next() else { return Ok(None) };
        if let Some(second) = named.next() {
            let (a, b) = (file.path(), second.path());
            let problem = format!("holds two files {name}: {a} and {b}; expected one");
            return Err(Error::source(&self.path, problem));
        }
        file.read(&self.archive, limit).map(Some).map_err(|error| match error {
            LoadError::Image(reason) => Error::source(self.path.join(file.path()), reason),
            LoadError::Input(error) => error,
        })
    }

    /// What the archive holds, in words, for an error.
    pub(super) fn summary(&self) -> String {
        let names: Vec<_> = self.files.iter().take(3).map(PackedFile::path).collect();
        match self.files.len() {
            0 => "holds no files".into(),
            1 => format!("holds one file ({})", names[0]),
            n if n <= 3 => format!("holds {n} files ({})", names.join(", ")),
            n => format!("holds {n} files ({}, …)", names.join(", ")),
        }
    }
}
