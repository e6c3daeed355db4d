//! A JPEG written anew for zune-jpeg, the decoder of ordinary pictures, with guards in it.
//!
//! It has the segments that decoding needs, and nothing else. The colours that were decided stand
//! in Adobe's marker, and the components have plain names, so that zune-jpeg decides the same.
//!
//! It takes data that end early for zeros, and reports success. So we put six bytes of ones before
//! each marker in and after a scan: no code is all ones, so a decoder that needs them fails, and
//! one that has all its data never sees them. Data that are left over are noticed too: the decoder
//! then searches for a marker where no guard is.

use super::structure::{JpegStructure, Part};

/// Six bytes of ones, stuffed.
const GUARD: &[u8] = &[0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0];

/// Writes `jpeg` into `out`.
pub(super) fn rebuild(jpeg: &JpegStructure<'_>, out: &mut Vec<u8>) {
    out.clear();
    out.extend([0xff, 0xd8]);
    if jpeg.of_film {
        segment(out, 0xe0, b"AVI1\0\0");
    }
    if let Some(transform) = jpeg.colours.adobe() {
        segment(out, 0xee, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
    }
    // zune-jpeg expects a marker right after the first scan of a progressive picture.
    let mut guarded = !jpeg.frame.is_progressive();
    for part in &jpeg.parts {
        match part {
            Part::Quantization(content) => segment(out, 0xdb, content),
            Part::Huffman(content) => segment(out, 0xc4, content),
            Part::RestartInterval(content) => segment(out, 0xdd, content),
            Part::Frame => frame(out, jpeg),
            Part::Scan(scan) => {
                let mut content = vec![scan.components.len() as u8];
                for component in &scan.components {
                    content
                        .extend([name(component.index), (component.dc << 4 | component.ac) as u8]);
                }
                content.extend([scan.first as u8, scan.last as u8, scan.high << 4 | scan.low]);
                segment(out, 0xda, &content);
                if guarded {
                    data(out, scan.data);
                } else {
                    out.extend(scan.data);
                }
                guarded = true;
            }
        }
    }
    out.extend([0xff, 0xd9]);
}

/// Whether the bytes are the end of a guard and a marker, or that marker alone: no data are left.
pub(super) fn is_at_marker(bytes: &[u8]) -> bool {
    let ones = bytes.chunks(2).take_while(|pair| *pair == [0xff, 0]).count();
    let rest = &bytes[ones * 2..];
    ones * 2 <= GUARD.len() && matches!(rest, [0xff, marker, ..] if *marker != 0)
}

fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

/// A component's name: its number from 1, as JFIF has it.
fn name(index: usize) -> u8 {
    index as u8 + 1
}

fn frame(out: &mut Vec<u8>, jpeg: &JpegStructure<'_>) {
    let frame = &jpeg.frame;
    let mut content = vec![8];
    content
        .extend([frame.height, frame.width].map(|side| side as u16).map(u16::to_be_bytes).concat());
    content.push(frame.components.len() as u8);
    let alone = frame.components.len() == 1;
    for (index, c) in frame.components.iter().enumerate() {
        // The blocks of a single component come row by row, whatever its factors are.
        let sampling = if alone { 0x11 } else { (c.h << 4 | c.v) as u8 };
        content.extend([name(index), sampling, c.table]);
    }
    segment(out, frame.marker, &content);
}

/// The data of a scan with a guard before each marker, and one at the end.
fn data(out: &mut Vec<u8>, data: &[u8]) {
    let mut from = 0;
    for at in memchr::memchr_iter(0xff, data) {
        if data.get(at + 1).is_some_and(|marker| (0xd0..=0xd7).contains(marker)) {
            out.extend(&data[from..at]);
            out.extend(GUARD);
            from = at;
        }
    }
    out.extend(&data[from..]);
    out.extend(GUARD);
}
