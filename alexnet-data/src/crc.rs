//! CRC-32 of a whole file, in pieces.

use crate::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The CRC-32 (IEEE) of the file at `path`.
pub(crate) fn of_file(path: &Path) -> Result<u32, Error> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let (mut hasher, mut buffer) = (crc32fast::Hasher::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(hasher.finalize()),
            n => hasher.update(&buffer[..n]),
        }
    }
}
