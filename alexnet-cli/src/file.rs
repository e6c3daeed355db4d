//! Reading the files that arguments name.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The bytes of a file, at most so many: a device as `/dev/zero` has no end.
pub(crate) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.with_context(|| path.display().to_string())?;
    let long = bytes.len() as u64 > most;
    ensure!(!long, "{}: more than {most} bytes, which no such file has", path.display());
    Ok(bytes)
}

/// Refuses what is no regular file, to which one can go back: a device may have no end, and a named
/// pipe no writer.
pub(crate) fn check_regular(path: &Path) -> Result<()> {
    let found = path.metadata().with_context(|| path.display().to_string())?;
    let name = path.display();
    ensure!(!found.is_dir(), "{name} is a folder: expected a file, as a run's final.safetensors");
    ensure!(found.is_file(), "{name} is a device, a named pipe or a socket: expected a file");
    Ok(())
}
