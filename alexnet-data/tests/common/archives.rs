//! Archives as they are delivered, small: tars, tars of tars, a development kit with its MAT file.

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write;

/// A tar of `files`.
pub(crate) fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A tar whose entries of the kinds `1` and `2` are hard and symbolic links to a name, and those of
/// `0` files.
pub(crate) fn tar_with_links(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_size(0);
        if [b'1', b'2'].contains(kind) {
            tar.append_link(&mut header, name, std::str::from_utf8(bytes).unwrap()).unwrap();
        } else {
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

/// An element of a MAT file, padded.
fn element(kind: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = [kind.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(8), 0);
    out
}

fn matrix(class: u8, dims: [u32; 2], name: &str, content: &[u8]) -> Vec<u8> {
    let flags = element(6, &[class, 0, 0, 0, 0, 0, 0, 0]);
    let dims = element(5, &[dims[0].to_le_bytes(), dims[1].to_le_bytes()].concat());
    element(14, &[flags, dims, element(1, name.as_bytes()), content.to_vec()].concat())
}

/// A `meta.mat` with the synsets (id, WordNet id, words, children).
pub(crate) fn meta_mat(id: &str, synsets: &[(u32, &str, &str, u32)]) -> Vec<u8> {
    let fields = [id, "WNID", "words", "num_children"];
    let names: Vec<u8> = fields
        .iter()
        .flat_map(|f| f.bytes().chain(std::iter::repeat(0)).take(32).collect::<Vec<_>>())
        .collect();
    let number = |n: u32| matrix(6, [1, 1], "", &element(9, &f64::from(n).to_le_bytes()));
    let text = |t: &str| {
        let units: Vec<u8> = t.encode_utf16().flat_map(u16::to_le_bytes).collect();
        matrix(4, [1, t.len() as u32], "", &element(4, &units))
    };
    // The length of the names in the short form: bytes and type in one word.
    let mut content = [5u32 | 4 << 16, 32].map(u32::to_le_bytes).concat();
    content.extend(element(1, &names));
    for (id, wnid, words, children) in synsets {
        content.extend([number(*id), text(wnid), text(words), number(*children)].concat());
    }
    let synsets = matrix(2, [synsets.len() as u32, 1], "synsets", &content);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&synsets).unwrap();
    let zlib = zlib.finish().unwrap();
    let mut file = b"MATLAB 5.0 MAT-file, made by a test".to_vec();
    file.resize(124, b' ');
    file.extend([0, 1, b'I', b'M']);
    file.extend([15u32, zlib.len() as u32].map(u32::to_le_bytes).concat());
    file.extend(zlib);
    file
}

/// A development kit: a tar.gz of `files`.
pub(crate) fn kit(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    gzip(&tar_of(files))
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}
