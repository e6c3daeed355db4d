//! Tar archives walked in place, also when they lie inside another one.

use super::packed::Archive;
use super::wrong;
use crate::Error;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of a tar's block.
const BLOCK: u64 = 512;

/// A regular file of a tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) path: String,
    /// Where its bytes begin in the outermost file.
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// A range of an archive, as a file of its own.
pub(super) struct Window<'a> {
    archive: &'a Archive,
    start: u64,
    length: u64,
    position: u64,
}

impl<'a> Window<'a> {
    pub(super) fn whole(archive: &'a Archive) -> Self {
        Self { archive, start: 0, length: archive.length, position: 0 }
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position).min(buffer.len() as u64) as usize;
        self.archive.read_at(&mut buffer[..left], self.start + self.position)?;
        self.position += left as u64;
        Ok(left)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::Current(n) => self.position.checked_add_signed(n),
            SeekFrom::End(n) => self.length.checked_add_signed(n),
        };
        // Beyond the end reads nothing, as in any file; the sums with it must fit.
        let fits = |p: &u64| *p <= i64::MAX as u64;
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "a position out of range");
        self.position = position.filter(fits).ok_or_else(invalid)?;
        Ok(self.position)
    }
}

/// The regular files of the tar in the bytes `start .. start + length` of `archive`, in its order.
///
/// An archive that was cut short, wherever, is an error: its last block must be followed by the
/// block of zeros that ends every tar.
pub(super) fn members(archive: &Archive, start: u64, length: u64) -> Result<Vec<Member>, Error> {
    let fail = |at: u64, e: &dyn std::fmt::Display| {
        let at = start + at;
        let problem = format!("is cut short or damaged near byte {at} ({e}): download it again");
        wrong(&archive.path, problem)
    };
    let inside = start.checked_add(length).is_some_and(|end| end <= archive.length);
    if !inside {
        let end = start.saturating_add(length);
        return Err(fail(0, &format!("it should reach to byte {end}, it has {}", archive.length)));
    }
    let (mut members, mut end) = (Vec::new(), 0u64);
    let mut tar = tar::Archive::new(Window { archive, start, length, position: 0 });
    for entry in tar.entries_with_seek().map_err(|e| fail(0, &e))? {
        let entry = entry.map_err(|e| fail(end, &e))?;
        let (at, size) = (entry.raw_file_position(), entry.size());
        // Nothing is believed of a size but that it lies inside the archive.
        let after = at.checked_add(size).filter(|&after| after <= length);
        let after = after.ok_or_else(|| fail(end, &"a file reaches beyond its end"))?;
        end = after.next_multiple_of(BLOCK);
        if entry.header().entry_type().is_file() {
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            members.push(Member { path, offset: start + at, length: size });
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

/// The last part of a member's path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a name is a WordNet id: `n` and eight digits.
pub(super) fn is_wnid(name: &str) -> bool {
    name.len() == 9 && name.starts_with('n') && name[1..].bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    /// A tar inside a tar: the places are those of the outermost file, long names come whole.
    #[test]
    fn nested() {
        let long = "d/".repeat(80) + "x.jpg";
        let inner = tar_of(&[("a.jpg", b"one"), (&long, b"two!")]);
        let outer = tar_of(&[("n00000001.tar", &inner), ("other", b"")]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outer.tar");
        fs::write(&path, &outer).unwrap();
        let archive = Archive::open(&path).unwrap();
        let tars = members(&archive, 0, archive.length).unwrap();
        assert_eq!(tars[0].path, "n00000001.tar");
        let files = members(&archive, tars[0].offset, tars[0].length).unwrap();
        assert_eq!(files[1].path, long);
        assert_eq!(&outer[files[1].offset as usize..][..4], b"two!");
        // Cut at any length: an error that names the file. Flipped anywhere: no panic.
        for cut in (0..outer.len() - 512).step_by(13) {
            fs::write(&path, &outer[..cut]).unwrap();
            let archive = Archive::open(&path).unwrap();
            let text = members(&archive, 0, cut as u64).unwrap_err().to_string();
            assert!(text.contains("outer.tar") && text.contains("cut short"), "{cut}: {text}");
        }
        for i in (0..outer.len()).step_by(5) {
            let mut bytes = outer.clone();
            bytes[i] ^= 0xff;
            fs::write(&path, &bytes).unwrap();
            let archive = Archive::open(&path).unwrap();
            for tar in members(&archive, 0, archive.length).unwrap_or_default() {
                let _ = members(&archive, tar.offset, tar.length);
            }
        }
    }
}
