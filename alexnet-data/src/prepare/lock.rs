//! Locks on files, by which processes notice each other. A killed process loses its locks.

use crate::error::{Error, Result};
use same_file::Handle;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::PathBuf;

/// A locked file. The lock ends with this value, but the file stays until it is removed.
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Locks the file `path`, which is created if necessary, by `File::try_lock` or
    /// `File::try_lock_shared`; `None` where the lock of another process forbids it.
    pub(super) fn take(
        path: PathBuf,
        lock: fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Option<Self>> {
        loop {
            // Opened for reading too, which shared locks on network file systems need.
            let mut options = File::options();
            options.create(true).truncate(false).read(true).write(true);
            let file = options.open(&path).map_err(Error::io("create", &path))?;
            match lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                // On a file system without locks, the user has to avoid two runs at once.
                Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {
                    return Ok(Some(Self { file, path }));
                }
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", path)(e)),
            }
            // The previous holder may have removed the file after we opened it.
            let ours = file.try_clone().and_then(Handle::from_file);
            let there = Handle::from_path(&path);
            if ours.is_ok_and(|ours| there.is_ok_and(|there| there == ours)) {
                return Ok(Some(Self { file, path }));
            }
        }
    }

    /// Makes a shared lock exclusive; false where another process shares it.
    pub(super) fn make_exclusive(&self) -> bool {
        self.file.unlock().is_ok() && self.file.try_lock().is_ok()
    }

    /// Removes the file.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}
