//! The fuzzers' way to the readers of archives.

use super::archive::members;
use super::packed::Archive;
use super::zipped::walk;
use crate::fuzz::as_file;

/// A tar, walked, and what lies in it walked again as tars.
pub(crate) fn tar(bytes: &[u8]) {
    as_file(bytes, |path| {
        let Ok(archive) = Archive::open(path) else { return };
        for member in members(&archive, 0, archive.length).unwrap_or_default() {
            let _ = members(&archive, member.offset, member.length);
        }
    });
}

/// A development kit's `meta.mat`.
pub(crate) fn mat(bytes: &[u8]) {
    let _ = super::mat::synsets(bytes);
}

/// A zip: its directory walked, each file read.
pub(crate) fn zip(bytes: &[u8]) {
    as_file(bytes, |path| {
        let Ok(archive) = Archive::open(path) else { return };
        let _ = walk(&archive, |_, file| {
            let _ = file.read(&archive, 1 << 16);
            Ok(())
        });
    });
}
