//! A tar.gz inflated once into a file without a name, which is read at any position.
//!
//! A gzip stream can only be read from its beginning, and images are read in shuffled order, by
//! many threads. The file is in the folder in which the preparation works, which has to have room
//! for more than the images anyhow, and is gone with the process, however that ends.

use super::archive::Archive;
use super::listing::Scan;
use crate::error::{Error, Result};
use crate::phrases::byte_count;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

/// Bytes that are inflated at once.
const CHUNK: usize = 1 << 18;
/// An archive of images does not inflate to more than this many times its length ...
const MAX_RATIO: u64 = 100;
/// ... unless it is as short as this.
const SMALL: u64 = 1 << 30;

/// The inflated bytes of a file, from its beginning.
pub(super) fn reader(path: &Path) -> Result<MultiGzDecoder<BufReader<File>>> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    Ok(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, file)))
}

/// Inflates the file `path`, of which errors speak.
pub(super) fn inflate(path: &Path, scan: &mut Scan<'_>) -> Result<Archive> {
    let length = path.metadata().map_err(Error::io("read", path))?.len();
    let limit = length.saturating_mul(MAX_RATIO).max(SMALL);
    // Of a dataset to be repaired, the folder is not there yet.
    let folder = scan.folder.ancestors().find(|f| f.is_dir()).unwrap_or(Path::new("."));
    let mut file =
        tempfile::tempfile_in(folder).map_err(Error::io("create a temporary file in", folder))?;
    let (mut input, mut chunk, mut written) = (reader(path)?, vec![0; CHUNK], 0);
    loop {
        scan.check_stop()?;
        let read = match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            // An error of the system has a number, one of the format has none.
            Err(e) if e.raw_os_error().is_some() => return Err(Error::io("read", path)(e)),
            Err(e) => {
                let problem = format!("cannot be inflated ({e}): download it again");
                return Err(Error::source(path, problem));
            }
        };
        written += read as u64;
        if written > limit {
            let problem = format!(
                "inflates to more than {}, far beyond its length: it is no archive of images",
                byte_count(limit)
            );
            return Err(Error::source(path, problem));
        }
        file.write_all(&chunk[..read])
            .map_err(Error::io("inflate a tar.gz into a temporary file in", folder))?;
    }
    Archive::of(path, file)
}
