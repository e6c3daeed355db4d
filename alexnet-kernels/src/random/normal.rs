//! Normally distributed numbers: Box–Muller on Philox words, vectorised.
//!
//! ```text
//! r = √(−2 ln((a + 1) / 2³²))      θ = 2π b / 2³²      (r cos θ, r sin θ)      for two words a, b
//! ```
//!
//! The arithmetic is f64 sums, products, quotients and square roots only. Every machine rounds
//! these alike, so a seed gives the same bits everywhere, and the compiler can vectorise them.
//! Logarithm, sine and cosine are their series up to the terms that f64 can resolve. A network of
//! 61 million weights is drawn in a fraction of a second; with `libm`'s functions it took almost
//! two seconds.

use crate::cpu::simd::vectorized;
use crate::random::philox::{halves, philox4x32};
use rayon::prelude::*;
use std::f64::consts::{LN_2, SQRT_2, TAU};

/// The second counter word of [`normals`]. Dropout has its layer number there, and a network has
/// fewer layers, so the two never draw the same words.
const NORMALS: u32 = u32::MAX;

/// Counters, of four words each, that are computed together.
const BLOCKS: usize = 64;

/// `n` draws from a normal distribution of mean 0 and standard deviation `std`.
///
/// Element `e` depends on `seed`, `stream` (a hash of the parameter's name) and `e` only, and has
/// the same bits on every machine. Words of 32 bits reach ±6.66 standard deviations, and after 2³⁴
/// elements the counter begins again.
///
/// ```
/// let weights = alexnet_kernels::normals(1, 0, 0.01, 5); // seed, stream, deviation
/// assert_eq!(weights[..3], alexnet_kernels::normals(1, 0, 0.01, 3));
/// assert!(weights.iter().all(|w| w.abs() < 0.0667));
/// ```
pub fn normals(seed: u64, stream: u64, std: f32, n: usize) -> Vec<f32> {
    const CHUNK: usize = 64 * 4 * BLOCKS;
    let mut values = vec![0.0; n];
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
        vectorized!(for (i, values) in values.chunks_mut(4 * BLOCKS).enumerate() {
            let first = (chunk * (CHUNK / 4) + i * BLOCKS) as u32;
            let drawn = draw(seed, stream, f64::from(std), first);
            values.copy_from_slice(&drawn.as_flattened()[..values.len()]);
        });
    });
    values
}

/// Four numbers for each of the counters from `first` on.
#[inline(always)]
fn draw(seed: u64, stream: u64, std: f64, first: u32) -> [[f32; 4]; BLOCKS] {
    let ([low, high], mut words) = (halves(stream), [[0; BLOCKS]; 4]);
    for i in 0..BLOCKS {
        let block = first.wrapping_add(i as u32);
        let four = philox4x32(halves(seed), [block, NORMALS, low, high]);
        for (words, word) in words.iter_mut().zip(four) {
            words[i] = word;
        }
    }
    let mut values = [[0.0; 4]; BLOCKS];
    for (i, values) in values.iter_mut().enumerate() {
        let [a, b] = pair(words[0][i], words[1][i]);
        let [c, d] = pair(words[2][i], words[3][i]);
        *values = [a, b, c, d].map(|normal| (normal * std) as f32);
    }
    values
}

/// Two words to two independent standard normals.
#[inline(always)]
fn pair(a: u32, b: u32) -> [f64; 2] {
    let (radius, [sin, cos]) = ((-2.0 * ln_of_share(a)).sqrt(), sin_cos_of_turn(b));
    [radius * cos, radius * sin]
}

/// ln((a + 1) / 2³²): with a + 1 the argument is in (0, 1], and never 0.
#[inline(always)]
fn ln_of_share(a: u32) -> f64 {
    // a + 1 = m · 2^e with m in [1, 2), then in [√½, √2), because the series converges fast near 1.
    let bits = (f64::from(a) + 1.0).to_bits();
    let (exponent, m) = (
        // Converts the exponent's bits to a float without a conversion instruction, which AVX2
        // lacks: they are the low bits of 2⁵² + exponent.
        f64::from_bits(0x4330_0000_0000_0000 | bits >> 52) - (4_503_599_627_370_496.0 + 1023.0),
        f64::from_bits(bits & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000),
    );
    let large = m > SQRT_2;
    let (exponent, m) =
        (if large { exponent + 1.0 } else { exponent }, if large { 0.5 * m } else { m });
    // ln m = 2 atanh s = 2 (s + s³/3 + s⁵/5 + …) with s = (m − 1)/(m + 1), |s| < 0.172
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let mut sum = 1.0 / 21.0;
    for k in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sum = sum * square + 1.0 / k;
    }
    (exponent - 32.0) * LN_2 + 2.0 * (s + s * square * sum)
}

/// Sine and cosine of 2π b / 2³².
#[inline(always)]
fn sin_cos_of_turn(b: u32) -> [f64; 2] {
    // The nearest quarter of a turn, and the rest, which is exact and at most an eighth of a turn
    // either way.
    let quarter = b.wrapping_add(1 << 29) >> 30;
    let rest = b.wrapping_sub(quarter << 30) as i32;
    let x = f64::from(rest) * (TAU / 4_294_967_296.0);
    let square = x * x;
    // sin x = x − x³/3! + x⁵/5! − …, each factor from the next one
    let mut sine = 1.0;
    for k in [17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sine = 1.0 - square * sine * (1.0 / (k * (k - 1.0)));
    }
    let mut cosine = 1.0;
    for k in [18.0, 16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0] {
        cosine = 1.0 - square * cosine * (1.0 / (k * (k - 1.0)));
    }
    let sine = x * sine;
    let odd = quarter & 1 == 1;
    let (sin, cos) = (if odd { cosine } else { sine }, if odd { sine } else { cosine });
    let negate = |number: f64, yes: bool| if yes { -number } else { number };
    [negate(sin, quarter & 2 == 2), negate(cos, (quarter + 1) & 2 == 2)]
}
