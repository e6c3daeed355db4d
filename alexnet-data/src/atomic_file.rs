//! Atomic writes: a file is either whole or not there. It is written under another name in the same
//! folder, synced and renamed; then the folder is synced.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Writes the file `path` so that no reader ever sees half of it.
///
/// `write` gets an empty file in the same folder. When it returns `Ok`, the file is synced to disk
/// and renamed to `path`, which replaces an older file, and the folder is synced. After an error
/// the older file is unchanged, and no other file is left in the folder. Only a regular file is
/// ever replaced: no device, named pipe, socket, folder or link.
///
/// # Errors
/// [`Error::Io`] with the path, for errors of `write` and of the file system, and for a path where
/// something lies that is no regular file; then `write` is not called.
///
/// ```
/// # use std::io::{Seek, Write};
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("note.txt");
/// alexnet_data::write_atomic(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path)?, b"whole");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomic<T>(
    path: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<T>,
) -> Result<T> {
    let mut file = AtomicFile::create(path)?;
    let value = write(file.file()).map_err(Error::io("write", path))?;
    file.commit()?;
    Ok(value)
}

/// Removes what killed processes have left of unfinished writes of the file `path`. No other
/// process may be writing it.
///
/// # Errors
/// [`Error::Io`] for a folder that cannot be listed, and for a file that cannot be removed.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// let left = dir.path().join(".note.txt.a1B2c3.partial");
/// std::fs::write(&left, b"hal")?;
/// alexnet_data::remove_unfinished(&dir.path().join("note.txt"))?;
/// assert!(!left.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn remove_unfinished(path: &Path) -> Result<()> {
    let (dir, prefix) = (folder(path), prefix(path));
    for entry in std::fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let found = entry.map_err(Error::io("list", dir))?.path();
        let name = found.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(SUFFIX) {
            std::fs::remove_file(&found).map_err(Error::io("remove", &found))?;
        }
    }
    Ok(())
}

/// Removes what killed processes have left of unfinished writes of any file in the folder `dir`. No
/// other process may be writing there.
///
/// # Errors
/// As [`remove_unfinished`].
pub fn remove_all_unfinished(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let found = entry.map_err(Error::io("list", dir))?.path();
        let name = found.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') && name.ends_with(SUFFIX) {
            std::fs::remove_file(&found).map_err(Error::io("remove", &found))?;
        }
    }
    Ok(())
}

/// Gives the file `from` the name `to` too, which replaces an older file at once, so that there is
/// always one of both. Where the file system has no hard links, it is a copy.
///
/// Other processes may read `to`, but no other may be writing it.
///
/// # Errors
/// [`Error::Io`] with the path, and for a path where something lies that is no regular file.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// let (from, to) = (dir.path().join("new"), dir.path().join("latest"));
/// std::fs::write(&from, "2")?;
/// std::fs::write(&to, "1")?;
/// alexnet_data::link_atomic(&from, &to)?;
/// std::fs::remove_file(&from)?;
/// assert_eq!(std::fs::read(&to)?, b"2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn link_atomic(from: &Path, to: &Path) -> Result<()> {
    check_replaceable(to)?;
    let link = folder(to).join(format!("{}link{SUFFIX}", prefix(to)));
    let _ = std::fs::remove_file(&link); // what a killed process has left
    if std::fs::hard_link(from, &link).is_err() {
        return write_atomic(to, |file| std::io::copy(&mut File::open(from)?, file)).map(|_| ());
    }
    let renamed = std::fs::rename(&link, to);
    // It is still there after an error, and where both names were one file already.
    let _ = std::fs::remove_file(&link);
    renamed.map_err(Error::io("write", to))?;
    sync_folder(folder(to))
}

/// How the names of unfinished files end.
const SUFFIX: &str = ".partial";

/// How the names of the unfinished files of `path` begin.
fn prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// An unfinished file, written bit by bit: it vanishes when it is dropped, and becomes `path` when
/// it is committed. Only a regular file is replaced.
#[derive(Debug)]
pub struct AtomicFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl AtomicFile {
    /// Begins the file `path` under another name in the same folder.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn create(path: &Path) -> Result<Self> {
        check_replaceable(path)?;
        let (prefix, mut builder) = (prefix(path), Builder::new());
        builder.prefix(&prefix).suffix(SUFFIX);
        // tempfile makes private files; a dataset may be read by those whom the umask allows to.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder(path)).map_err(Error::io("create", path))?;
        Ok(Self { file, path: path.into() })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Writes bytes at the current position.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::io("write", &self.path)(e))
    }

    /// Goes back to the start, to write there.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        self.file.rewind().map_err(|e| Error::io("write", &self.path)(e))
    }

    /// Syncs the file to disk and renames it to its path.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn commit(self) -> Result<()> {
        let Self { file, path } = self;
        file.as_file().sync_all().map_err(Error::io("write", &path))?;
        check_replaceable(&path)?; // it may have come while the file was written
        file.persist(&path).map_err(|e| Error::io("write", &path)(e.error))?;
        sync_folder(folder(&path))
    }

    /// As `commit`, but an existing file `path` stays as it is.
    pub(crate) fn commit_new(self) -> Result<()> {
        let Self { file, path } = self;
        file.as_file().sync_all().map_err(Error::io("write", &path))?;
        match file.persist_noclobber(&path) {
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(Error::io("write", path)(e.error)),
            Ok(_) => sync_folder(folder(&path)),
        }
    }
}

/// Refuses a path that names no file, or where something lies that output may not replace. Renaming
/// would turn `/dev/null` into a file, or a link to another disk into a file on this one.
///
/// # Errors
/// [`Error::Io`] with the path and what lies there.
pub fn check_replaceable(path: &Path) -> Result<()> {
    let refuse = |what: &str| {
        let reason = format!("{what}, and only a regular file is replaced: give another path");
        Err(Error::io("write", path)(std::io::Error::new(ErrorKind::InvalidInput, reason)))
    };
    if path.file_name().is_none() {
        return refuse("it names no file");
    }
    match path.symlink_metadata().map(|found| found.file_type()) {
        Ok(kind) if kind.is_file() => Ok(()),
        Ok(kind) if kind.is_dir() => refuse("it is a folder"),
        Ok(kind) if kind.is_symlink() => refuse("it is a symbolic link"),
        Ok(_) => refuse("it is a device, a named pipe or a socket"),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("write", path)(error)),
    }
}

/// The folder of `path`; `.` for a bare name.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a rename survive a power failure. Windows has no such call and needs none.
fn sync_folder(path: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(path).and_then(|d| d.sync_all()).map_err(Error::io("sync", path))?;
    }
    Ok(())
}
