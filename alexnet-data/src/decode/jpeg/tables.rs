//! The tables in a JPEG's segments: of Huffman codes, and of quantization.

use super::super::error::{DecodeError, Result};

/// How many tables of a kind a decoder keeps.
pub(super) const SLOTS: usize = 4;

/// One table of Huffman codes, as it stands in a segment.
pub(super) struct HuffmanSpec<'a> {
    /// Whether it is for the AC coefficients, and not for DC.
    pub(super) ac: bool,
    /// Its number, below [`SLOTS`].
    pub(super) slot: usize,
    /// How many codes have 1, 2 … 16 bits.
    pub(super) counts: &'a [u8; 16],
    /// The symbols in the order of their codes.
    pub(super) symbols: &'a [u8],
}

impl HuffmanSpec<'_> {
    /// Whether there are enough codes of each length, and DC values have at most 15 bits.
    fn is_valid(&self) -> bool {
        let mut free = 1_usize; // codes of this length that begin with no shorter one
        let enough = self.counts.iter().all(|&count| {
            free *= 2;
            let left = free.checked_sub(usize::from(count));
            free = left.unwrap_or(0);
            left.is_some()
        });
        enough && (self.ac || self.symbols.iter().all(|&bits| bits <= 15))
    }

    /// Whether sixteen bits of one are a code, or the beginning of one. The standard forbids it:
    /// so bits of one after the end of the data are recognised by every decoder.
    pub(super) fn has_code_of_ones(&self) -> bool {
        let codes = self.counts.iter().zip(1..);
        codes.map(|(&count, bits)| u32::from(count) << (16 - bits)).sum::<u32>() >= 1 << 16
    }
}

/// The tables in a DHT segment.
pub(super) fn huffman_tables(mut rest: &[u8]) -> Result<Vec<HuffmanSpec<'_>>> {
    let mut tables = Vec::new();
    while rest.len() > 16 {
        let (number, after) = (rest[0], &rest[1..]);
        let (counts, after) = after.split_first_chunk::<16>().ok_or_else(bad_huffman)?;
        let length = counts.iter().map(|&n| usize::from(n)).sum::<usize>();
        let slot = usize::from(number & 0x0f);
        if length > 256 || number >> 4 > 1 || slot >= SLOTS {
            return Err(bad_huffman());
        }
        let (symbols, after) = after.split_at_checked(length).ok_or_else(bad_huffman)?;
        let table = HuffmanSpec { ac: number >> 4 == 1, slot, counts, symbols };
        if !table.is_valid() {
            return Err(bad_huffman());
        }
        tables.push(table);
        rest = after;
    }
    if rest.is_empty() { Ok(tables) } else { Err(bad_huffman()) }
}

fn bad_huffman() -> DecodeError {
    DecodeError::broken("its table of Huffman codes is not valid")
}

/// A quantization table with its number, in zigzag order.
pub(super) type Quantization = (usize, [u16; 64]);

/// The tables in a DQT segment.
pub(super) fn quantization_tables(mut rest: &[u8]) -> Result<Vec<Quantization>> {
    let bad = || DecodeError::broken("its quantization table is not valid");
    let mut tables = Vec::new();
    while let Some((&number, after)) = rest.split_first() {
        let (slot, bytes) = (usize::from(number & 0x0f), if number >> 4 == 0 { 1 } else { 2 });
        let (values, after) = after.split_at_checked(64 * bytes).ok_or_else(bad)?;
        if slot >= SLOTS {
            return Err(bad());
        }
        let value = |v: &[u8]| v.iter().fold(0, |value, &byte| value << 8 | u16::from(byte));
        let mut table = [0; 64];
        table.iter_mut().zip(values.chunks(bytes)).for_each(|(t, v)| *t = value(v));
        tables.push((slot, table));
        rest = after;
    }
    Ok(tables)
}
