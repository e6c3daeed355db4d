//! The coefficients of one block after another.

use super::super::scan::{Coding, Scan};
use super::Block;
use super::bits::Bits;
use super::huffman::Huffman;

/// The position in a block of each coefficient in zigzag order. Damaged data may count on to 15
/// coefficients past the last, which are the last then.
const ZIGZAG: [u8; 80] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
    63, 63, 63, 63, 63, 63,
];

/// The position in a block of the coefficient `k` in zigzag order.
#[inline]
pub(super) fn position(k: usize) -> usize {
    usize::from(ZIGZAG[k])
}

/// The codes of a scan's components; a scan may not need all of them.
#[derive(Default)]
pub(super) struct Codes<'t> {
    pub(super) dc: [Option<&'t Huffman>; 4],
    pub(super) ac: [Option<&'t Huffman>; 4],
}

/// Decodes the blocks of one scan.
pub(super) struct BlockDecoder<'a> {
    pub(super) bits: Bits<'a>,
    coding: Coding,
    first: usize,
    last: usize,
    low: u8,
    /// The last DC value of each component.
    dc: [i32; 4],
    /// Blocks to come that have no more coefficients in this scan.
    ended: u32,
    /// Whether bits were found that are no code.
    pub(super) bad_code: bool,
    /// Whether a restart marker was another than expected.
    pub(super) bad_restart: bool,
}

impl<'a> BlockDecoder<'a> {
    pub(super) fn new(bits: Bits<'a>, coding: Coding, scan: &Scan<'_>) -> Self {
        let Scan { first, last, low, .. } = *scan;
        let (dc, ended, bad_code, bad_restart) = ([0; 4], 0, false, false);
        Self { bits, coding, first, last, low, dc, ended, bad_code, bad_restart }
    }

    pub(super) fn restart(&mut self, number: u8) {
        self.bad_restart |= !self.bits.restart(number);
        (self.dc, self.ended) = ([0; 4], 0);
    }

    /// Decodes the next block, which is of the scan's component number `c`.
    #[inline]
    pub(super) fn decode(&mut self, c: usize, codes: &Codes<'_>, block: &mut Block) {
        match (self.coding, codes.dc[c], codes.ac[c]) {
            (Coding::Sequential, Some(dc), Some(ac)) => {
                self.first_dc(c, dc, block);
                self.sequential_ac(ac, block);
            }
            (Coding::FirstDc, Some(dc), _) => self.first_dc(c, dc, block),
            (Coding::MoreDc, ..) => block[0] |= (self.bits.take(1) as i16) << self.low,
            (Coding::FirstAc, _, Some(ac)) => self.first_ac(ac, block),
            (Coding::MoreAc, _, Some(ac)) => self.more_ac(ac, block),
            _ => {} // `Tables::codes` has found every code that the scan needs
        }
    }

    /// A code's symbol; 0 where the bits are none, which libjpeg found to do the least harm.
    #[inline]
    fn symbol(&mut self, code: &Huffman) -> u8 {
        let symbol = code.decode(&mut self.bits);
        self.bad_code |= symbol.is_none();
        symbol.unwrap_or(0)
    }

    /// A code's symbol as two numbers: a run of zeros, and bits.
    #[inline]
    fn run_and_bits(&mut self, code: &Huffman) -> (usize, u32) {
        let symbol = self.symbol(code);
        (usize::from(symbol >> 4), u32::from(symbol & 0x0f))
    }

    #[inline]
    fn first_dc(&mut self, c: usize, code: &Huffman, block: &mut Block) {
        let bits = u32::from(self.symbol(code));
        self.dc[c] = self.dc[c].wrapping_add(self.bits.signed(bits));
        block[0] = (self.dc[c] << self.low) as i16;
    }

    #[inline]
    fn sequential_ac(&mut self, code: &Huffman, block: &mut Block) {
        let mut k = 1;
        while k < 64 {
            match self.run_and_bits(code) {
                (15, 0) => k += 16,
                (_, 0) => return,
                (run, bits) => {
                    k += run;
                    block[position(k)] = self.bits.signed(bits) as i16;
                    k += 1;
                }
            }
        }
    }

    /// The blocks that end with this one, where `run` codes their number.
    fn run_of_ends(&mut self, run: usize) -> u32 {
        (1 << run) + self.bits.take(run as u32)
    }

    fn first_ac(&mut self, code: &Huffman, block: &mut Block) {
        if self.ended > 0 {
            self.ended -= 1;
            return;
        }
        let mut k = self.first;
        while k <= self.last {
            match self.run_and_bits(code) {
                (15, 0) => k += 16,
                (run, 0) => {
                    self.ended = self.run_of_ends(run) - 1;
                    return;
                }
                (run, bits) => {
                    k += run;
                    block[position(k)] = (self.bits.signed(bits) << self.low) as i16;
                    k += 1;
                }
            }
        }
    }

    fn more_ac(&mut self, code: &Huffman, block: &mut Block) {
        let one = 1_i16 << self.low;
        let mut k = self.first;
        if self.ended == 0 {
            while k <= self.last {
                let (mut run, bits) = self.run_and_bits(code);
                let mut value = 0;
                if bits > 0 {
                    // New coefficients have one bit.
                    self.bad_code |= bits > 1;
                    value = if self.bits.take(1) == 1 { one } else { -one };
                } else if run < 15 {
                    self.ended = self.run_of_ends(run);
                    break;
                }
                while k <= self.last {
                    let coefficient = &mut block[position(k)];
                    if *coefficient != 0 {
                        refine(coefficient, self.bits.take(1), one);
                    } else if run == 0 {
                        break;
                    } else {
                        run -= 1;
                    }
                    k += 1;
                }
                if value != 0 {
                    block[position(k)] = value;
                }
                k += 1;
            }
        }
        if self.ended > 0 {
            for k in k..=self.last {
                let coefficient = &mut block[position(k)];
                if *coefficient != 0 {
                    refine(coefficient, self.bits.take(1), one);
                }
            }
            self.ended -= 1;
        }
    }
}

/// Adds one more bit to a coefficient that is not zero.
#[inline]
fn refine(coefficient: &mut i16, bit: u32, one: i16) {
    if bit == 1 && *coefficient & one == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient > 0 { one } else { -one });
    }
}
