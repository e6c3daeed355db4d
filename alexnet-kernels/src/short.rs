//! Products of matrices whose factors are bf16 and whose sums are f32, on the processor.
//!
//! ```text
//! c[i][j] = Σ a[i][k] · b[k][j]        a, b bf16; products exact, sums f32
//! ```
//!
//! The two numbers at 2p and 2p + 1 of the inner dimension are a *pair*, one 32-bit word with the first in its low
//! half: what a processor with AVX512-BF16 multiplies and adds in one instruction. Others take the word apart and
//! compute the same in f32, at no gain. An odd inner dimension is filled up with a zero.
//!
//! Blocks of `b` are packed into panels as wide as a tile of registers; `a` is read where it lies. The order of each
//! sum follows from the sizes and the kind of processor alone.

mod kernels;

use candle_core::Result;
use half::bf16;
use pulp::bytemuck::{cast_slice, cast_slice_mut, try_cast_slice};
use rayon::prelude::*;

use crate::memory::{Lent, lend};
use crate::micro::Tile;
use crate::simd::vectorized;

/// Pairs of a block: a panel of 64 columns is then 32 KiB, which stay in the first cache.
const BLOCK: usize = 128;

/// Rows of a task, at most: a block of them stays in the second cache.
const ROWS: usize = 96;

/// The nearest bf16, of two the even one; NaN stays NaN.
// As `half` does it, without its branch, so that loops become vectors.
#[inline(always)]
pub(crate) fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    ((if x.is_nan() { bits | 0x40_0000 } else { up }) >> 16) as u16
}

/// The left factor: rows of pairs, row-major.
pub(crate) enum Pairs<'a> {
    /// Where they lie.
    There(&'a [bf16]),
    /// Made for this product.
    Made(Lent),
}

impl<'a> Pairs<'a> {
    /// Of `rows × inner` values row-major, without a copy if rows are whole pairs.
    pub(crate) fn of(values: &'a [bf16], rows: usize, inner: usize) -> Result<Self> {
        let pairs = inner.is_multiple_of(2) && try_cast_slice::<_, u32>(values).is_ok();
        if pairs {
            Ok(Self::There(values))
        } else {
            Self::new(rows, inner, |i, k| values[i * inner + k].to_bits())
        }
    }

    /// Of values that `at(i, k)` gives, for `i < rows` and `k < inner`.
    pub(crate) fn new(
        rows: usize,
        inner: usize,
        at: impl Fn(usize, usize) -> u16 + Sync,
    ) -> Result<Self> {
        let pairs = inner.div_ceil(2);
        // SAFETY: the loop writes all of it.
        let mut words = unsafe { lend(rows * pairs)? };
        words.par_chunks_mut(pairs.max(1)).enumerate().for_each(|(i, row)| {
            vectorized(
                #[inline(always)]
                || {
                    let row: &mut [u16] = cast_slice_mut(row);
                    row[inner..].fill(0);
                    row[..inner].iter_mut().enumerate().for_each(|(k, to)| *to = at(i, k));
                },
            );
        });
        Ok(Self::Made(words))
    }

    fn words(&self) -> &[u32] {
        match self {
            Self::There(values) => cast_slice(values),
            Self::Made(words) => cast_slice(words),
        }
    }
}

/// `c ← a · b`, `c` and `a` row-major, of `(rows, inner, columns)`; `b(k, j)` is an element of `b` as bits of bf16.
/// What `c` held is not read.
pub(crate) fn multiply(
    c: &mut [f32],
    (rows, inner, columns): (usize, usize, usize),
    a: &Pairs<'_>,
    b: impl Fn(usize, usize) -> u16 + Sync,
) -> Result<()> {
    let (a, pairs) = (a.words(), inner.div_ceil(2));
    assert!(a.len() == rows * pairs && c.len() == rows * columns, "a product of other sizes");
    if c.is_empty() || pairs == 0 {
        c.fill(0.0);
        return Ok(());
    }
    let tile = Tile::new(columns);
    let block = BLOCK.min(pairs);
    // SAFETY: of each block, all is packed before it is read.
    let mut panels = unsafe { lend(columns.div_ceil(tile.width) * block * tile.width)? };
    let task = rows.div_ceil(rayon::current_num_threads()).next_multiple_of(tile.rows).min(ROWS);
    for first in (0..pairs).step_by(block) {
        let count = block.min(pairs - first);
        let size = count * tile.width; // of a panel
        let panels = &mut panels[..columns.div_ceil(tile.width) * size];
        panels.par_chunks_mut(size).enumerate().for_each(|(number, panel)| {
            let from = number * tile.width..columns.min((number + 1) * tile.width);
            let pack = Pack { pairs: first..first + count, inner, from, width: tile.width };
            vectorized(
                #[inline(always)]
                || pack.into(cast_slice_mut(panel), &b),
            );
        });
        let panels: &[u32] = cast_slice(panels);
        c.par_chunks_mut(task * columns).zip(a.par_chunks(task * pairs)).for_each(|(c, a)| {
            let block = (first, count);
            pulp::Arch::new().dispatch(kernels::Task { tile, pairs, columns, block, a, panels, c });
        });
    }
    Ok(())
}

/// A panel of `b`: which pairs of the inner dimension, and which columns.
struct Pack {
    pairs: std::ops::Range<usize>,
    inner: usize,
    from: std::ops::Range<usize>,
    width: usize,
}

impl Pack {
    /// To `panel` (pairs, width); columns and numbers that are not there become zeros.
    #[inline(always)]
    fn into(self, panel: &mut [u32], b: &impl Fn(usize, usize) -> u16) {
        for (pair, row) in self.pairs.zip(panel.chunks_exact_mut(self.width)) {
            let (there, behind) = row.split_at_mut(self.from.len());
            behind.fill(0);
            let k = 2 * pair;
            let both = k + 1 < self.inner;
            for (j, word) in self.from.clone().zip(there) {
                let second = if both { b(k + 1, j) } else { 0 };
                *word = u32::from(second) << 16 | u32::from(b(k, j));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_as_half_does_it() {
        let near = |top: u32| [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff].map(|low| top << 16 | low);
        for bits in (0..=u32::from(u16::MAX)).flat_map(near) {
            let x = f32::from_bits(bits);
            assert_eq!(rounded(x), bf16::from_f32(x).to_bits(), "{bits:#x}");
        }
    }

    /// Values with few bits, so that every way of adding their products is exact.
    fn value(seed: usize, i: usize, j: usize) -> u16 {
        bf16::from_f32(((seed + 7 * i + 13 * j + i * j) % 17) as f32 - 8.0).to_bits()
    }

    #[test]
    fn every_size_is_multiplied() -> Result<()> {
        let number = |bits| f64::from(bf16::from_bits(bits).to_f32());
        for rows in [1, 2, 5, 6, 7, 8, 100] {
            for inner in [1, 2, 7, 256, 257, 600] {
                for columns in [1, 15, 48, 64, 65, 130] {
                    let a = Pairs::new(rows, inner, |i, k| value(1, i, k))?;
                    let mut c = vec![f32::NAN; rows * columns];
                    multiply(&mut c, (rows, inner, columns), &a, |k, j| value(2, k, j))?;
                    for (at, got) in c.iter().enumerate() {
                        let (i, j) = (at / columns, at % columns);
                        let products =
                            (0..inner).map(|k| number(value(1, i, k)) * number(value(2, k, j)));
                        let want: f64 = products.sum();
                        assert_eq!(f64::from(*got), want, "{rows} {inner} {columns} at {i} {j}");
                    }
                }
            }
        }
        Ok(())
    }

    #[test]
    fn rows_are_read_where_they_lie_if_they_are_pairs() -> Result<()> {
        let values: Vec<bf16> = (0..42).map(|x| bf16::from_f32(x as f32)).collect();
        assert!(matches!(Pairs::of(&values, 7, 6)?, Pairs::There(_)));
        let odd = Pairs::of(&values, 6, 7)?;
        let words = odd.words();
        assert!(matches!(odd, Pairs::Made(_)) && words.len() == 6 * 4);
        assert_eq!(words[4], u32::from(values[8].to_bits()) << 16 | u32::from(values[7].to_bits()));
        assert_eq!(words[3], u32::from(values[6].to_bits()));
        Ok(())
    }
}
