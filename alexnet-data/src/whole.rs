//! Files that are either whole or not there: written beside, synced, renamed, the folder synced.

use crate::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use tempfile::{Builder, NamedTempFile};

/// Writes the file `path` so that no one ever sees half of it.
///
/// `write` gets an empty file in the same folder; when it returns `Ok`, the file is synced to disk,
/// renamed to `path` (replacing what was there) and the folder is synced. On any error the old
/// content stays and nothing is left beside it.
///
/// # Errors
/// Those of `write` and of the file system, as [`Error::Io`] with the path.
///
/// ```
/// # use std::io::Write;
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("note.txt");
/// alexnet_data::write_whole(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path)?, b"whole");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_whole<T>(
    path: &Path,
    write: impl FnOnce(&mut File) -> std::io::Result<T>,
) -> Result<T, Error> {
    let mut file = WholeFile::create(path)?;
    let value = write(file.file()).map_err(Error::io("write", path))?;
    file.commit()?;
    Ok(value)
}

/// A file under way: it vanishes when dropped, and becomes `path` when committed.
#[derive(Debug)]
pub(crate) struct WholeFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (prefix, mut builder) = (format!(".{name}."), Builder::new());
        builder.prefix(&prefix).suffix(".partial");
        // tempfile makes private files; a dataset is to be read by those the umask allows.
        #[cfg(unix)]
        let readable =
            <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666);
        #[cfg(unix)]
        builder.permissions(readable);
        let file = builder.tempfile_in(folder(path)).map_err(Error::io("create", path))?;
        Ok(Self { file, path: path.into() })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn commit(self) -> Result<(), Error> {
        let Self { file, path } = self;
        file.as_file().sync_all().map_err(Error::io("write", &path))?;
        file.persist(&path).map_err(|e| Error::io("write", &path)(e.error))?;
        sync_folder(folder(&path))
    }

    /// As `commit`, but leaves a file that is there already as it is.
    pub(crate) fn commit_new(self) -> Result<(), Error> {
        let Self { file, path } = self;
        file.as_file().sync_all().map_err(Error::io("write", &path))?;
        match file.persist_noclobber(&path) {
            Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(Error::io("write", path)(e.error)),
            Ok(_) => sync_folder(folder(&path)),
        }
    }
}

/// The folder of `path`; `.` for a bare name.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a rename survive a power cut. Windows has no such call and needs none.
fn sync_folder(path: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(path).and_then(|d| d.sync_all()).map_err(Error::io("sync", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A failed write keeps the old file and leaves nothing else in the folder.
    #[test]
    fn a_failed_write_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_whole(&path, |f| f.write_all(b"old")).unwrap();
        let failed: Result<(), _> = write_whole(&path, |f| {
            f.write_all(b"new")?;
            Err(std::io::Error::other("disk full"))
        });
        let text = failed.unwrap_err().to_string();
        assert!(text.contains("disk full") && text.contains(&*path.to_string_lossy()), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// A missing folder is an error with the path, not a panic.
    #[test]
    fn a_missing_folder_is_named() {
        let text = write_whole(Path::new("/no/such/folder/f"), |_| Ok(())).unwrap_err().to_string();
        assert!(text.contains("/no/such/folder/f"), "{text}");
    }
}
