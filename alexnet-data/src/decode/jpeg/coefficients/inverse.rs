//! The inverse cosine transform of a block, in integers, by the method of Loeffler, Ligtenberg and
//! Moschytz (1989) with eleven multiplications for eight values.
//!
//! Values of damaged blocks overflow as in the vector code of libjpeg-turbo: products with the
//! quantization table and sums of two values wrap at 16 bits, and the results of the first pass
//! stop at the limits of 16 bits.

use super::Block;
use super::blocks::position;

/// The fraction bits of the constants.
const BITS: u32 = 13;
/// The fraction bits that stay between the two passes.
const KEPT: u32 = 2;

const C0_298: i32 = 2446;
const C0_390: i32 = 3196;
const C0_541: i32 = 4433;
const C0_765: i32 = 6270;
const C0_899: i32 = 7373;
const C1_175: i32 = 9633;
const C1_501: i32 = 12299;
const C1_847: i32 = 15137;
const C1_961: i32 = 16069;
const C2_053: i32 = 16819;
const C2_562: i32 = 20995;
const C3_072: i32 = 25172;

/// Eight values, each with [`BITS`] more fraction bits.
#[inline]
fn transform(v: [i32; 8]) -> [i32; 8] {
    let mul = i32::wrapping_mul;
    let add = i32::wrapping_add;
    let sub = i32::wrapping_sub;
    let wrapped = |v: i32| i32::from(v as i16);
    let even = mul(add(v[2], v[6]), C0_541);
    let (even2, even6) = (add(even, mul(v[2], C0_765)), sub(even, mul(v[6], C1_847)));
    let (sum, difference) = (wrapped(add(v[0], v[4])) << BITS, wrapped(sub(v[0], v[4])) << BITS);
    let e = [add(sum, even2), add(difference, even6), sub(difference, even6), sub(sum, even2)];
    let (a, b) = (mul(add(v[7], v[1]), -C0_899), mul(add(v[5], v[3]), -C2_562));
    let (c, d) = (wrapped(add(v[7], v[3])), wrapped(add(v[5], v[1])));
    let all = mul(add(c, d), C1_175);
    let (c, d) = (sub(all, mul(c, C1_961)), sub(all, mul(d, C0_390)));
    let o = [
        add(add(mul(v[1], C1_501), a), d),
        add(add(mul(v[3], C3_072), b), c),
        add(add(mul(v[5], C2_053), b), d),
        add(add(mul(v[7], C0_298), a), c),
    ];
    std::array::from_fn(|i| if i < 4 { add(e[i], o[i]) } else { sub(e[7 - i], o[7 - i]) })
}

/// The 8 × 8 samples of a block, row by row.
pub(super) fn samples(block: &Block, quantization: &[u16; 64]) -> [u8; 64] {
    let mut values = [0_i32; 64];
    for (k, &step) in quantization.iter().enumerate() {
        let at = position(k);
        values[at] = i32::from(block[at].wrapping_mul(step as i16));
    }
    // For a block with nothing below its first row, libjpeg-turbo shifts that row in place of the
    // first pass. The results are the same, but they wrap.
    let first_row_alone = block[8..].iter().all(|&v| v == 0);
    for x in 0..8 {
        let column = transform(std::array::from_fn(|y| values[y * 8 + x]));
        let round = 1 << (BITS - KEPT - 1);
        for (y, value) in column.into_iter().enumerate() {
            let value = value.wrapping_add(round) >> (BITS - KEPT);
            values[y * 8 + x] = match first_row_alone {
                true => i32::from(value as i16),
                false => value.clamp(i16::MIN.into(), i16::MAX.into()),
            };
        }
    }
    let mut samples = [0; 64];
    let shift = BITS + KEPT + 3;
    for (row, out) in values.chunks_exact(8).zip(samples.chunks_exact_mut(8)) {
        let row = transform(std::array::from_fn(|x| row[x]));
        for (value, out) in row.into_iter().zip(out) {
            *out = ((value.wrapping_add(1 << (shift - 1)) >> shift) + 128).clamp(0, 255) as u8;
        }
    }
    samples
}
