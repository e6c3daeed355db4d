//! A complete decoder of sequential and progressive JPEGs, for pictures that others make wrong.
//!
//! It reads the coefficients of all scans as libjpeg does, also of damaged ones: after missing data
//! it goes on at the next restart marker, and it counts what is missing. It is exact and bounded,
//! and several times slower than the decoders of ordinary pictures.

mod bits;
mod blocks;
mod damage;
mod huffman;
mod inverse;
mod pixels;
mod samples;

use super::super::error::{DecodeError, Result};
use super::frame::{Component, Frame};
use super::scan::{Coding, Scan};
use super::structure::{JpegStructure, Part};
use super::tables::{SLOTS, huffman_tables, quantization_tables};
use bits::Bits;
use blocks::{BlockDecoder, Codes};
use damage::Damage;
use huffman::HuffmanTables;

/// The 64 coefficients of a block, row by row.
type Block = [i16; 64];

/// The coefficients of a component.
struct Plane {
    blocks: Vec<Block>,
    /// Blocks in a row, in whole units.
    columns: usize,
    /// Its quantization table as it was at its first scan.
    quantization: Option<[u16; 64]>,
}

/// Decodes a JPEG to RGB. What is wrong with it is in the second value, `None` for a whole picture.
///
/// # Errors
/// Where nothing of it can be decoded.
pub(super) fn decode(jpeg: &JpegStructure<'_>) -> Result<(Vec<u8>, Option<String>)> {
    let frame = &jpeg.frame;
    let columns = frame.units()[1];
    let plane = |c: &Component| Plane {
        blocks: vec![[0; 64]; frame.blocks_in_units(c)],
        columns: columns * c.h,
        quantization: None,
    };
    let mut planes: Vec<Plane> = frame.components.iter().map(plane).collect();
    let mut tables = Tables::new(frame);
    let mut damage = Damage::default();
    for part in &jpeg.parts {
        match part {
            Part::Scan(scan) => match tables.codes(frame, scan, &mut planes) {
                Ok(codes) => decode_scan(frame, scan, &codes, &mut planes, &mut damage),
                Err(error) => {
                    damage.skip_scan(scan.blocks(frame), error);
                    break;
                }
            },
            part => {
                if let Err(error) = tables.read(part) {
                    damage.stop(error);
                    break;
                }
            }
        }
    }
    let damage = damage.describe(jpeg)?;
    Ok((pixels::of(jpeg, planes), damage))
}

/// Whether the first scan, of DC values, has data for all of its blocks. That of no other scan
/// escapes the decoder of ordinary pictures.
pub(super) fn first_scan_is_whole(jpeg: &JpegStructure<'_>) -> bool {
    let frame = &jpeg.frame;
    let mut tables = Tables::new(frame);
    for part in &jpeg.parts {
        match part {
            Part::Scan(scan) => {
                let Ok(codes) = tables.dc_codes(scan) else { return false };
                return scan.coding(frame) == Coding::FirstDc && is_whole(frame, scan, &codes);
            }
            part if tables.read(part).is_err() => return false,
            _ => {}
        }
    }
    false
}

/// The tables of a moment in a file.
struct Tables {
    huffman: HuffmanTables,
    quantization: [Option<[u16; 64]>; SLOTS],
}

impl Tables {
    fn new(frame: &Frame) -> Self {
        let huffman = match frame.is_progressive() {
            true => HuffmanTables::default(),
            false => HuffmanTables::standard(),
        };
        Self { huffman, quantization: [None; SLOTS] }
    }

    fn read(&mut self, part: &Part<'_>) -> Result<()> {
        match part {
            Part::Huffman(content) => {
                huffman_tables(content)?.iter().for_each(|spec| self.huffman.set(spec));
                Ok(())
            }
            Part::Quantization(content) => {
                for (slot, table) in quantization_tables(content)? {
                    self.quantization[slot] = Some(table);
                }
                Ok(())
            }
            Part::RestartInterval(_) | Part::Frame | Part::Scan(_) => Ok(()),
        }
    }

    /// The codes of a scan, whose components get their quantization tables if they have none yet.
    fn codes(&self, frame: &Frame, scan: &Scan<'_>, planes: &mut [Plane]) -> Result<Codes<'_>> {
        for component in &scan.components {
            let plane = &mut planes[component.index];
            let slot = usize::from(frame.components[component.index].table);
            plane.quantization =
                plane.quantization.or(self.quantization.get(slot).copied().flatten());
            if plane.quantization.is_none() {
                return Err(DecodeError::broken("a quantization table is missing"));
            }
        }
        let coding = scan.coding(frame);
        let mut codes = Codes::default();
        if matches!(coding, Coding::Sequential | Coding::FirstDc) {
            codes = self.dc_codes(scan)?;
        }
        if matches!(coding, Coding::Sequential | Coding::FirstAc | Coding::MoreAc) {
            for (component, code) in scan.components.iter().zip(&mut codes.ac) {
                *code = self.huffman.ac.get(component.ac).and_then(Option::as_ref);
            }
            let count = scan.components.len();
            if codes.ac[..count].iter().any(Option::is_none) {
                return Err(DecodeError::broken("a table of Huffman codes is missing"));
            }
        }
        Ok(codes)
    }

    fn dc_codes(&self, scan: &Scan<'_>) -> Result<Codes<'_>> {
        let mut codes = Codes::default();
        for (component, code) in scan.components.iter().zip(&mut codes.dc) {
            *code = self.huffman.dc.get(component.dc).and_then(Option::as_ref);
        }
        if codes.dc[..scan.components.len()].iter().any(Option::is_none) {
            return Err(DecodeError::broken("a table of Huffman codes is missing"));
        }
        Ok(codes)
    }
}

/// Calls `block` for each block of a scan that has data, with the component's index in the scan and
/// the row and column of the block; and restarts where the scan does. Returns how many blocks had
/// none, and whether all of those are at the end.
fn each_block<'a>(
    frame: &Frame,
    scan: &Scan<'a>,
    decoder: &mut BlockDecoder<'a>,
    mut block: impl FnMut(&mut BlockDecoder<'a>, usize, usize, usize),
) -> (usize, bool) {
    let [rows, columns] = scan.units(frame);
    let shapes: Vec<_> = match &scan.components[..] {
        [_] => vec![(1, 1)],
        all => all.iter().map(|c| &frame.components[c.index]).map(|c| (c.h, c.v)).collect(),
    };
    let in_unit: usize = shapes.iter().map(|(h, v)| h * v).sum();
    let (mut missing, mut gap) = (0, false);
    let (mut left, mut number) = (scan.interval, 0);
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        if scan.interval > 0 {
            if left == 0 {
                decoder.restart(number);
                (left, number) = (scan.interval, (number + 1) % 8);
            }
            left -= 1;
        }
        if !decoder.bits.starved {
            gap |= missing > 0;
            for (c, &(h, v)) in shapes.iter().enumerate() {
                for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                    block(decoder, c, row * v + y, column * h + x);
                }
            }
        }
        // A unit that ran out of data is missing too: the rest of it is zeros.
        missing += if decoder.bits.starved { in_unit } else { 0 };
    }
    decoder.bits.finish();
    (missing, !gap)
}

fn decode_scan<'a>(
    frame: &Frame,
    scan: &Scan<'a>,
    codes: &Codes<'_>,
    planes: &mut [Plane],
    damage: &mut Damage,
) {
    let coding = scan.coding(frame);
    let mut decoder = BlockDecoder::new(Bits::new(scan.data), coding, scan);
    let (missing, at_end) = each_block(frame, scan, &mut decoder, |decoder, c, row, column| {
        let plane = &mut planes[scan.components[c].index];
        let block = &mut plane.blocks[row * plane.columns + column];
        decoder.decode(c, codes, block);
    });
    damage.add_scan(scan.blocks(frame), missing, at_end, &decoder);
}

/// Whether a scan of DC values has data for all of its blocks.
fn is_whole(frame: &Frame, scan: &Scan<'_>, codes: &Codes<'_>) -> bool {
    let mut decoder = BlockDecoder::new(Bits::new(scan.data), Coding::FirstDc, scan);
    let (missing, _) = each_block(frame, scan, &mut decoder, |decoder, c, _, _| {
        decoder.decode(c, codes, &mut [0; 64]);
    });
    missing + decoder.bits.surplus == 0 && !decoder.bad_code && !decoder.bad_restart
}
