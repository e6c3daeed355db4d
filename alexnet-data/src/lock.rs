//! Locks on files, by which processes notice each other. A killed process loses its locks.

use crate::atomic_file::check_replaceable;
use crate::error::{Error, Result};
use crate::holder::Holder;
use same_file::Handle;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How often a lock is tried whose file is removed or replaced at the very same time.
const ATTEMPTS: usize = 100;
/// How often a lock is tried that another process holds, and how long each time: one that only
/// looks who holds it has it for microseconds.
const LOOKS: usize = 10;
const LOOK: Duration = Duration::from_millis(10);

/// A locked file, which names the process that holds it. The lock ends with this value, but the
/// file stays until it is removed.
///
/// On a file system without locks every lock is given, and the user has to avoid two runs at once.
///
/// ```
/// use alexnet_data::Lock;
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join(".lock");
/// let lock = Lock::exclusive(&path)?.expect("nobody else holds it");
/// let holder = Lock::exclusive(&path)?.expect_err("it is held");
/// assert!(holder.to_string().starts_with(&format!("process {} on ", std::process::id())));
/// lock.remove();
/// assert!(!path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Locks the file `path`, which is created if necessary, and writes this process's name into
    /// it. The inner error is the process whose lock forbids that.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be opened or locked, and for anything but a file.
    pub fn exclusive(path: &Path) -> Result<Result<Self, Holder>> {
        Self::take(path, File::try_lock, &Holder::this_process().to_string())
    }

    /// The same for a lock that several processes may share; none of them is named.
    pub(crate) fn shared(path: &Path) -> Result<Result<Self, Holder>> {
        Self::take(path, File::try_lock_shared, "")
    }

    fn take(
        path: &Path,
        lock: fn(&File) -> Result<(), TryLockError>,
        name: &str,
    ) -> Result<Result<Self, Holder>> {
        let mut refusals = 0;
        for _ in 0..ATTEMPTS {
            // A link could lead to somebody's file, into which the name would be written.
            check_replaceable(path)?;
            // Opened for reading too, which shared locks on network file systems need.
            let mut options = File::options();
            options.create(true).truncate(false).read(true).write(true);
            let file = options.open(path).map_err(Error::io("create", path))?;
            match lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if refusals < LOOKS => {
                    refusals += 1;
                    thread::sleep(LOOK);
                    continue;
                }
                Err(TryLockError::WouldBlock) => return Ok(Err(Holder::read(path))),
                Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {
                    return Ok(Ok(Self { file, path: path.into() }));
                }
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", path)(e)),
            }
            // The previous holder may have removed the file after we opened it.
            let ours = file.try_clone().and_then(Handle::from_file);
            let ours = ours.map_err(Error::io("lock", path))?;
            match Handle::from_path(path) {
                Ok(there) if there == ours => {
                    let lock = Self { file, path: path.into() };
                    lock.write(name);
                    return Ok(Ok(lock));
                }
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("lock", path)(e)),
            }
        }
        let reason = "another file takes its place again and again";
        Err(Error::io("lock", path)(std::io::Error::other(reason)))
    }

    /// Replaces the content of the file. The lock holds without it, so that a full disk is no
    /// reason to give it up.
    fn write(&self, name: &str) {
        let mut file = &self.file;
        let _ = file.set_len(0).and_then(|()| file.rewind());
        let _ = file.write_all(name.as_bytes());
    }

    /// The process that holds the exclusive lock of the file `path` now, if any does. To know, it
    /// shares the lock for a moment, for which others wait.
    pub fn holder(path: &Path) -> Option<Holder> {
        let file = File::open(path).ok()?;
        let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        held.then(|| Holder::read(path))
    }

    /// Makes a shared lock exclusive; false where another process shares it.
    pub(crate) fn make_exclusive(&self) -> bool {
        self.file.unlock().is_ok() && self.file.try_lock().is_ok()
    }

    /// Removes the file.
    pub fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who only looks shares the lock for a moment, which keeps nobody out.
    #[test]
    fn a_look_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let look = Lock::shared(&path).unwrap().unwrap();
        let looks = thread::spawn(move || {
            thread::sleep(LOOK / 2);
            drop(look);
        });
        drop(Lock::exclusive(&path).unwrap().unwrap());
        looks.join().unwrap();
        let lock = Lock::exclusive(&path).unwrap().unwrap();
        assert_eq!(Lock::holder(&path), Some(Holder::this_process()));
        assert_eq!(Lock::exclusive(&path).unwrap().unwrap_err(), Holder::this_process());
        drop(lock);
        assert_eq!(Lock::holder(&path), None);
    }

    /// What is no file, and what leads elsewhere, is refused and stays as it is.
    #[test]
    fn only_a_file_is_locked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        fs::create_dir(&path).unwrap();
        assert!(matches!(Lock::exclusive(&path), Err(Error::Io { .. })));
        fs::remove_dir(&path).unwrap();
        #[cfg(unix)]
        {
            let other = dir.path().join("other");
            fs::write(&other, "somebody's").unwrap();
            std::os::unix::fs::symlink(&other, &path).unwrap();
            assert!(matches!(Lock::exclusive(&path), Err(Error::Io { .. })));
            assert_eq!(fs::read(&other).unwrap(), b"somebody's");
        }
    }
}
