//! Locks on files, by which processes notice each other. A killed process loses its locks.

use crate::atomic_file::check_replaceable;
use crate::error::{Error, Result};
use same_file::Handle;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, process, thread};

/// How often a lock is tried whose file is removed or replaced at the very same time.
const ATTEMPTS: usize = 100;
/// The most bytes of a lock's file that are read.
const MAX_HOLDER: u64 = 300;

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
/// # Ok::<(), alexnet_data::Error>(())
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
        for _ in 0..ATTEMPTS {
            // A link could lead to somebody's file, into which the name would be written.
            check_replaceable(path)?;
            // Opened for reading too, which shared locks on network file systems need.
            let mut options = File::options();
            options.create(true).truncate(false).read(true).write(true);
            let file = options.open(path).map_err(Error::io("create", path))?;
            match lock(&file) {
                Ok(()) => {}
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

    /// The process that holds the lock of the file `path` now, if any does.
    pub(crate) fn holder(path: &Path) -> Option<Holder> {
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

/// The process that holds a lock: `process 4711 on host alpha`; `another process` where its name
/// cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(Option<(u32, String)>);

impl Holder {
    fn this_process() -> Self {
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        Self(Some((process::id(), host)))
    }

    /// Whether the process is known by its name.
    pub(crate) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Reads who holds the lock of the file `path`.
    fn read(path: &Path) -> Self {
        // Whoever has only just got the lock is about to write its name.
        for _ in 0..5 {
            let mut text = Vec::new();
            let read = File::open(path).and_then(|f| f.take(MAX_HOLDER).read_to_end(&mut text));
            let Ok(1..) = read else {
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            return Self::parse(&String::from_utf8_lossy(&text));
        }
        Self(None)
    }

    /// The holder that displays as `text`. A file that no lock wrote names nobody.
    fn parse(text: &str) -> Self {
        let parts = text.strip_prefix("process ").and_then(|rest| rest.split_once(" on host "));
        let name = parts.and_then(|(process, host)| Some((process.parse().ok()?, host.to_owned())));
        Self(name.filter(|(_, host)| !host.chars().any(char::is_control)))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((process, host)) => write!(f, "process {process} on host {host}"),
            None => f.write_str("another process"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_as_it_is_written() {
        let this = Holder::this_process();
        assert_eq!(Holder::parse(&this.to_string()), this);
        for other in ["", "process 1", "process x on host a", "process 1 on host a\nb", "hello"] {
            assert_eq!(Holder::parse(other).to_string(), "another process", "{other:?}");
        }
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
