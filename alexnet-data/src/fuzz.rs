//! The functions that the fuzzers of `fuzz/` call: each reader of foreign bytes by itself.
//!
//! They are not meant for use: they have no results, and may change in any release. Each takes any
//! bytes, and must neither panic nor hang nor allocate memory out of proportion. Where a checksum
//! would refuse nearly every input, it is corrected first.

use crate::checksum::Checksum;
use crate::decode::decode;
use crate::header::{ENTRY, HEADER, Header, checksum_of, seal};
use crate::manifest::{Manifest, ShardInfo, first_line};
use crate::prepare::source::archive::Archive;
use crate::prepare::source::files::Location;
use crate::prepare::source::{mat::synsets, pickle, tar as tars, zip::walk};
use crate::shard::Shard;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

/// The side of the images in the shards of [`record`].
const SIDE: usize = 8;

/// Calls `with` with the path of a temporary file that holds `bytes`.
fn as_file(bytes: &[u8], with: impl FnOnce(&Path)) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(bytes).is_ok() {
        with(file.path());
    }
}

/// Calls `with` with an archive of these bytes.
fn as_archive(bytes: &[u8], with: impl FnOnce(&Archive)) {
    as_file(bytes, |path| {
        if let Ok(archive) = Archive::open(path) {
            with(&archive);
        }
    });
}

/// The header of a shard, with its checksum as it is and corrected.
pub fn header(bytes: &[u8]) {
    let _ = Header::parse(bytes, Path::new("shard"));
    let mut bytes = bytes.to_vec();
    if bytes.len() >= HEADER {
        seal(&mut bytes);
        let _ = Header::parse(&bytes, Path::new("shard"));
    }
}

/// A manifest as it is, and after a first line with the right checksum.
pub fn manifest(bytes: &[u8]) {
    let path = Path::new("manifest.json");
    let _ = Manifest::parse(bytes, path);
    let _ = Manifest::parse(&[first_line(bytes).as_bytes(), bytes].concat(), path);
}

/// A shard: the number of records in one byte, then their index and their bytes.
pub fn record(bytes: &[u8]) {
    let Some((&records, rest)) = bytes.split_first() else { return };
    let Some((index, records_area)) = rest.split_at_checked(usize::from(records) * ENTRY) else {
        return;
    };
    let header = Header {
        records: records.into(),
        height: SIDE as u32,
        width: SIDE as u32,
        records_length: records_area.len() as u64,
        index_crc: Checksum::of(index).0,
    };
    let header = header.to_bytes();
    let file = [&header[..], records_area, index].concat();
    let info = ShardInfo {
        file: "shard".into(),
        records: records.into(),
        bytes: file.len() as u64,
        checksum: checksum_of(&header),
    };
    as_file(&file, |path| {
        if let Ok(shard) = Shard::open(path, &info, [SIDE; 2], 10) {
            let mut pixels = Vec::new();
            for i in 0..shard.entries().len() {
                let _ = shard.with_record(i, |_, bytes| shard.decode(i, bytes, &mut pixels));
            }
        }
    });
}

/// An image file, made smaller and larger, through the decoders and the resampler.
pub fn image(bytes: &[u8]) {
    for size in [8, 37] {
        let _ = decode(bytes, size);
    }
}

/// A tar, and its files as tars.
pub fn tar(bytes: &[u8]) {
    as_archive(bytes, |archive| {
        for member in tars::read(archive, 0, archive.length).unwrap_or_default().members {
            let _ = tars::read(archive, member.offset, member.length);
        }
    });
}

/// The `meta.mat` of a development kit.
pub fn mat(bytes: &[u8]) {
    let _ = synsets(bytes);
}

/// A file of CIFAR's Python version.
pub fn pickle(bytes: &[u8]) {
    let _ = pickle::read(bytes);
}

/// A zip, with each of its files.
pub fn zip(bytes: &[u8]) {
    as_archive(bytes, |archive| {
        let _ = walk(archive, |file| {
            drop(file.read(archive, 1 << 16));
            ControlFlow::Continue(())
        });
    });
}
