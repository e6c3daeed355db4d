//! CRC-32 of a whole file, in pieces.

use crate::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The CRC-32 (IEEE) of the file at `path`.
pub(crate) fn of_file(path: &Path) -> Result<u32, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    // A short file wants no long buffer, and a length that cannot be had none longer than this.
    let length = file.metadata().map_or(u64::MAX, |m| m.len()).clamp(1, 1 << 16) as usize;
    let (mut hasher, mut buffer) = (crc32fast::Hasher::new(), vec![0; length]);
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hasher.finalize()),
            n => hasher.update(&buffer[..n]),
        }
    }
}
