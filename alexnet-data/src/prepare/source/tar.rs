//! Tar archives read in place, also when they are inside another one.

use super::archive::{Archive, Archives};
use super::files::{Location, check_length};
use super::listing::{LoadError, Scan};
use crate::error::{Error, Result};
use crate::prepare::report::Action;
use std::collections::HashMap;
use tar::EntryType;

/// Bytes of a block of a tar.
const BLOCK: u64 = 512;

/// A regular file of a tar.
#[derive(Debug, Clone)]
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
    type Storage = Archives;

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn read(&self, archives: &Archives, limit: u64) -> Result<Vec<u8>, LoadError> {
        let archive = archives.get(self.archive).map_err(LoadError::Input)?;
        read_range(&archive, self.offset, self.length, limit)
    }
}

/// The bytes of a range of an archive, if they are at most `limit`.
pub(super) fn read_range(
    archive: &Archive,
    offset: u64,
    length: u64,
    limit: u64,
) -> Result<Vec<u8>, LoadError> {
    check_length(length, limit)?;
    let mut bytes = vec![0; length as usize];
    archive.read_at(&mut bytes, offset).map_err(LoadError::Input)?;
    Ok(bytes)
}

/// What a tar holds.
#[derive(Debug, Default)]
pub(crate) struct Tar {
    /// Its regular files in its order; a hard link is the file that it names.
    pub(crate) members: Vec<Member>,
    /// What is neither a file nor a folder, with the reason for which it is not read.
    pub(super) left_out: Vec<(String, String)>,
}

/// The content of the tar in the bytes `start .. start + length` of `archive`.
///
/// A tar that was cut short anywhere is an error, because the block of zeros that ends every tar
/// must follow its last file.
pub(crate) fn read(archive: &Archive, start: u64, length: u64) -> Result<Tar> {
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
    let (mut content, mut links, mut end) = (Tar::default(), Vec::new(), 0u64);
    let mut tar = tar::Archive::new(archive.window(start, length));
    for entry in tar.entries_with_seek().map_err(|e| fail(0, &e))? {
        let entry = entry.map_err(|e| fail(end, &e))?;
        let (at, size) = (entry.raw_file_position(), entry.size());
        let name = text(&entry.path_bytes());
        let target = || text(&entry.link_name_bytes().unwrap_or_default());
        let kind = entry.header().entry_type();
        if kind == EntryType::GNUSparse {
            let problem = format!("holds {name} as a sparse file: make the tar without --sparse");
            return Err(Error::source(&archive.path, problem));
        }
        // A size may be a lie, except that the file is inside the archive.
        let after = at.checked_add(size).filter(|&after| after <= length);
        let after = after.ok_or_else(|| fail(end, &"a file reaches beyond its end"))?;
        end = after.next_multiple_of(BLOCK);
        match kind {
            EntryType::Regular | EntryType::Continuous => {
                let (name, offset) = (name.into(), start + at);
                content.members.push(Member { name, archive: 0, offset, length: size });
            }
            EntryType::Link => links.push((content.members.len(), name, target())),
            EntryType::Symlink => {
                let reason = format!("a symbolic link to {}, which is not followed", target());
                content.left_out.push((name, reason));
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                content.left_out.push((name, "a device or a pipe, and not a file".into()));
            }
            _ => (), // a folder, or what describes other entries
        }
    }
    let mut block = [1; BLOCK as usize];
    if end.checked_add(BLOCK).is_some_and(|after| after <= length) {
        archive.read_at(&mut block, start + end)?;
    }
    if block != [0; BLOCK as usize] {
        return Err(fail(end, &"the block that ends an archive is missing"));
    }
    content.follow(links);
    Ok(content)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A path without the `./` that some programs put before each name.
pub(super) fn plain(path: &str) -> &str {
    path.strip_prefix("./").map_or(path, plain)
}

impl Tar {
    /// Notes what is left out, by names that begin with `prefix`.
    pub(super) fn note_left_out(&self, split: &str, prefix: &str, scan: &mut Scan<'_>) {
        for (name, reason) in &self.left_out {
            scan.note(split, &format!("{prefix}{}", plain(name)), Action::Skipped, reason);
        }
    }

    /// Inserts hard links, which are given as the number of members before, the name and the
    /// target: each becomes the file that had the target's name when the link was written.
    fn follow(&mut self, links: Vec<(usize, String, String)>) {
        if links.is_empty() {
            return; // as in nearly every tar, which then needs no table of its names
        }
        let (mut members, mut known) = (Vec::new(), HashMap::new());
        let mut files = std::mem::take(&mut self.members).into_iter().enumerate().peekable();
        let mut add = |known: &mut HashMap<String, (u64, u64)>, member: Member| {
            known.insert(plain(&member.name).to_owned(), (member.offset, member.length));
            members.push(member);
        };
        for (before, name, target) in links {
            while let Some((_, member)) = files.next_if(|(number, _)| *number < before) {
                add(&mut known, member);
            }
            match known.get(plain(&target)).copied() {
                Some((offset, length)) => {
                    add(&mut known, Member { name: name.into(), archive: 0, offset, length });
                }
                None => {
                    let reason = format!("a hard link to {target}, which is not before it");
                    self.left_out.push((name, reason));
                }
            }
        }
        files.for_each(|(_, member)| add(&mut known, member));
        self.members = members;
    }
}
