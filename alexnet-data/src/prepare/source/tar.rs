//! Tar archives read in place, also when they are inside another one.

use super::archive::Archive;
use super::files::{Location, check_length};
use super::listing::LoadError;
use crate::error::{Error, Result};

/// Bytes of a block of a tar.
const BLOCK: u64 = 512;

/// A regular file of a tar.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its path in the tar; of an image, its name in the report.
    pub(super) name: Box<str>,
    /// The number of the outermost archive, where there are several.
    pub(super) archive: usize,
    /// The offset of its bytes in that archive.
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Location for Member {
    type Storage = Vec<Archive>;

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn read(&self, archives: &Vec<Archive>, limit: u64) -> Result<Vec<u8>, LoadError> {
        check_length(self.length, limit)?;
        let mut bytes = vec![0; self.length as usize];
        let archive = &archives[self.archive];
        archive.read_at(&mut bytes, self.offset).map_err(LoadError::input(&archive.path))?;
        Ok(bytes)
    }
}

/// The regular files of the tar in the bytes `start .. start + length` of `archive`, in its order.
///
/// A tar that was cut short anywhere is an error, because the block of zeros that ends every tar
/// must follow its last file.
pub(crate) fn members(archive: &Archive, start: u64, length: u64) -> Result<Vec<Member>> {
    let fail = |at: u64, e: &dyn std::fmt::Display| {
        let at = start + at;
        let problem = format!("is cut short or damaged near byte {at} ({e}): download it again");
        Error::source(&archive.path, problem)
    };
    let inside = start.checked_add(length).is_some_and(|end| end <= archive.length);
    if !inside {
        let end = start.saturating_add(length);
        return Err(fail(0, &format!("it should reach to byte {end}, it has {}", archive.length)));
    }
    let (mut members, mut end) = (Vec::new(), 0u64);
    let mut tar = tar::Archive::new(archive.window(start, length)?);
    for entry in tar.entries_with_seek().map_err(|e| fail(0, &e))? {
        let entry = entry.map_err(|e| fail(end, &e))?;
        let (at, size) = (entry.raw_file_position(), entry.size());
        // A size may be a lie, except that the file is inside the archive.
        let after = at.checked_add(size).filter(|&after| after <= length);
        let after = after.ok_or_else(|| fail(end, &"a file reaches beyond its end"))?;
        end = after.next_multiple_of(BLOCK);
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into();
            members.push(Member { name, archive: 0, offset: start + at, length: size });
        }
    }
    let mut block = [1; BLOCK as usize];
    let room = end.checked_add(BLOCK).is_some_and(|after| after <= length);
    let read = if room { archive.read_at(&mut block, start + end) } else { Ok(()) };
    read.map_err(Error::io("read", &archive.path))?;
    if block != [0; BLOCK as usize] {
        return Err(fail(end, &"the block that ends an archive is missing"));
    }
    Ok(members)
}
