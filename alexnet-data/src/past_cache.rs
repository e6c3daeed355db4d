//! Writes large files past the system's cache.
//!
//! What goes through it is copied once more, into pages that the system has to find and clear, and
//! takes the place of what others will read again: the shards of a training. A checkpoint of the
//! network of 2012 has half a gigabyte, which no one reads soon.

use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// What disks and file systems want addresses and lengths to be multiples of, at most.
const ALIGNMENT: usize = 4096;
/// The bytes of one write.
const BLOCK: usize = 4 << 20;

/// Gives `write` a writer to `file`, from where this stands, which has to be the start or a
/// multiple of 4,096 bytes. Whole blocks of 4 MiB go past the system's cache where the file system
/// allows that, which is asked on Linux only; the rest, or everything, goes as always.
///
/// # Errors
/// Those of `write` and of the file.
///
/// ```
/// use std::io::Write;
///
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("large");
/// let bytes = vec![7; 5_000_000];
/// alexnet_data::write_atomic(&path, |file| {
///     alexnet_data::past_cache(file, |out| out.write_all(&bytes))
/// })?;
/// assert!(std::fs::read(&path)? == bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn past_cache<T>(
    file: &mut File,
    write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> io::Result<T> {
    let memory = vec![0; BLOCK + ALIGNMENT];
    let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
    let mut blocks = Blocks { file, memory, start, filled: 0, is_direct: false };
    blocks.is_direct = set_direct(blocks.file, true);
    let result = write(&mut blocks).and_then(|value| blocks.write_rest().map(|()| value));
    blocks.use_cache();
    result
}

/// Gathers bytes to blocks.
struct Blocks<'a> {
    file: &'a mut File,
    /// A block from the aligned address `start` on, of which so many bytes are `filled`.
    memory: Vec<u8>,
    start: usize,
    filled: usize,
    /// Whether the file is written past the cache.
    is_direct: bool,
}

impl Blocks<'_> {
    /// Writes what the block has. Past the cache that takes a whole block.
    fn write_block(&mut self) -> io::Result<()> {
        let (mut at, end) = (self.start, self.start + self.filled);
        while at < end {
            match self.file.write(&self.memory[at..end]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => at += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Only now some file systems say that they cannot; and a full disk takes a part of
                // a block, whose rest is no longer aligned.
                Err(error) if error.kind() == ErrorKind::InvalidInput && self.is_direct => {
                    self.use_cache();
                }
                Err(error) => return Err(error),
            }
        }
        self.filled = 0;
        Ok(())
    }

    fn write_rest(&mut self) -> io::Result<()> {
        self.use_cache();
        self.write_block()
    }

    fn use_cache(&mut self) {
        if std::mem::take(&mut self.is_direct) {
            set_direct(self.file, false);
        }
    }
}

impl Write for Blocks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filled == BLOCK {
            self.write_block()?;
        }
        let count = bytes.len().min(BLOCK - self.filled);
        let at = self.start + self.filled;
        self.memory[at..at + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        Ok(count)
    }

    /// What is no whole block waits for more.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets writes to a file go past the cache, or through it; whether that was possible.
#[cfg(target_os = "linux")]
fn set_direct(file: &File, direct: bool) -> bool {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let set = |flags: OFlags| {
        let flags = if direct { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
        fcntl_setfl(file, flags)
    };
    fcntl_getfl(file).and_then(set).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn set_direct(_file: &File, _direct: bool) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths around those of blocks, in pieces of any length, on a disk and in memory.
    #[test]
    fn files_are_whole() {
        let mut folders = vec![std::env::temp_dir()];
        folders.extend(std::path::Path::new("/dev/shm").is_dir().then(|| "/dev/shm".into()));
        for folder in folders {
            for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 4097] {
                let bytes: Vec<u8> = (0..length).map(|i| (i * 31 % 251) as u8).collect();
                let mut file = tempfile::NamedTempFile::new_in(&folder).unwrap();
                let pieces = |out: &mut dyn Write| {
                    bytes.chunks(1_000_003).try_for_each(|piece| out.write_all(piece))
                };
                past_cache(file.as_file_mut(), pieces).unwrap();
                assert!(std::fs::read(file.path()).unwrap() == bytes, "{folder:?}: {length}");
                // And what comes after it goes through the cache.
                file.write_all(b"end").unwrap();
                let all = std::fs::read(file.path()).unwrap();
                assert!(all.ends_with(b"end") && all.len() == length + 3);
            }
        }
    }

    /// An error of the file is that of the write, and leaves the file as others know it.
    #[test]
    fn errors_are_given_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut reader = File::open(file.path()).unwrap();
        for length in [1, BLOCK, 2 * BLOCK + 1] {
            past_cache(&mut reader, |out| out.write_all(&vec![1; length])).unwrap_err();
        }
        assert_eq!(file.as_file().metadata().unwrap().len(), 0);
    }
}
