//! What the fuzzers of `fuzz/` call: each reader of foreign bytes, with nothing around it.
//!
//! Not for use: it has no results, and may change in any release. Each function takes any bytes, and
//! must neither panic nor hang nor ask for memory out of proportion. Readers of files get one. Where a
//! checksum would stop nearly every input at the door, it is made right first.

use crate::header::{ENTRY, HEADER};
use crate::manifest::Checksum;
use crate::prepare::fuzz as sources;
use crate::shard::{Expected, Shard};
use crate::{Manifest, ShardInfo, decode};
use std::io::Write;
use std::path::Path;

/// The name of a target, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 7] = [
    ("header", header),
    ("manifest", manifest),
    ("record", record),
    ("image", image),
    ("tar", sources::tar),
    ("mat", sources::mat),
    ("zip", sources::zip),
];

/// Side of the images of [`record`]'s shards.
const SIDE: usize = 8;

/// Runs `with` on the name of a file that holds `bytes`.
pub(crate) fn as_file(bytes: &[u8], with: impl FnOnce(&Path)) {
    let file = tempfile::NamedTempFile::new()
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.flush()).map(|()| file));
    if let Ok(file) = file {
        with(file.path());
    }
}

/// A shard's header, with its checksum as found and made right.
fn header(bytes: &[u8]) {
    let _ = crate::header::Header::parse(bytes, Path::new("shard"));
    let mut bytes = bytes.to_vec();
    if bytes.len() >= HEADER {
        right_header(&mut bytes);
        let _ = crate::header::Header::parse(&bytes, Path::new("shard"));
    }
}

fn right_header(bytes: &mut [u8]) {
    let crc = crc32fast::hash(&bytes[..HEADER - 4]);
    bytes[HEADER - 4..HEADER].copy_from_slice(&crc.to_le_bytes());
}

/// A manifest, as it is, and below a first line that is right for it.
fn manifest(bytes: &[u8]) {
    let path = Path::new("manifest.json");
    let _ = Manifest::parse(bytes, path);
    let first = crate::manifest::first_line(bytes);
    let _ = Manifest::parse(&[first.as_bytes(), bytes].concat(), path);
}

/// The first byte says how many records; then come their index and their bytes.
fn record(bytes: &[u8]) {
    let Some((&records, rest)) = bytes.split_first() else { return };
    let Some((index, records_area)) = rest.split_at_checked(usize::from(records) * ENTRY) else {
        return;
    };
    let header = crate::header::Header {
        records: records.into(),
        height: SIDE as u32,
        width: SIDE as u32,
        records_length: records_area.len() as u64,
        index_crc: crc32fast::hash(index),
    };
    let header = header.to_bytes();
    let file = [&header[..], records_area, index].concat();
    let info = ShardInfo {
        file: "shard".into(),
        records: records.into(),
        bytes: file.len() as u64,
        checksum: Checksum(crc32fast::hash(&header[..HEADER - 4])),
    };
    let expected = Expected { height: SIDE, width: SIDE, record: SIDE * SIDE * 3, classes: 10 };
    as_file(&file, |path| {
        if let Ok(shard) = Shard::open(path, &info, expected) {
            let mut pixels = Vec::new();
            for i in 0..shard.len() {
                if let Ok((_, bytes)) = shard.stored(i) {
                    let _ = shard.decode(i, bytes, &mut pixels);
                }
            }
        }
    });
}

/// An image file, made smaller and larger. The decoders and the resampler are others'; this is the road to
/// them.
fn image(bytes: &[u8]) {
    for size in [8, 37] {
        let _ = decode(bytes, size);
    }
}

/// The target of that name.
///
/// # Panics
/// Where there is none: a fuzzer of `fuzz/` is named wrong.
pub fn target(name: &str) -> fn(&[u8]) {
    let target = TARGETS.iter().find(|(n, _)| *n == name);
    target.unwrap_or_else(|| panic!("no fuzz target `{name}`")).1
}
