//! Trees of files inside one archive: a zip, a tar or a tar.gz, read in place.

use super::archive::Archive;
use super::entries::FIRST_BYTES;
use super::files::Location;
use super::gzip;
use super::listing::{LoadError, Scan};
use super::names::{file_name, is_image};
use super::packing::{Packing, is_junk};
use super::tar::{self, Member, Tar, plain, read_range};
use super::zip::{ZipFile, walk};
use crate::decode::kind::Kind;
use crate::error::{Error, Result};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes of a file in a zip that are inflated to tell whether it is an image.
const MAX_UNNAMED: u64 = 1 << 26;

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
