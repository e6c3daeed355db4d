//! Philox4x32-10: random numbers as a pure function of a key and a counter.
//!
//! ```text
//! (hi0, lo0) = 0xD2511F53 · c0      (hi1, lo1) = 0xCD9E8D57 · c2
//! c ← (hi1 ^ c1 ^ k0, lo1, hi0 ^ c3 ^ k1, lo0)              ten times; between the rounds
//! k ← (k0 + 0x9E3779B9, k1 + 0xBB67AE85)
//! ```
//!
//! No state means no order: any thread, or a GPU, computes number `e` of a stream without the
//! numbers before it, and a resumed run draws what the interrupted one would have drawn.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

use rayon::prelude::*;

/// Four random words of `counter` under `key`.
#[inline(always)]
pub fn philox4x32(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let ([mut k0, mut k1], [mut c0, mut c1, mut c2, mut c3]) = (key, counter);
    for _ in 0..10 {
        let (p0, p1) = (0xD251_1F53 * u64::from(c0), 0xCD9E_8D57 * u64::from(c2));
        (c0, c2) = ((p1 >> 32) as u32 ^ c1 ^ k0, (p0 >> 32) as u32 ^ c3 ^ k1);
        (c1, c3) = (p1 as u32, p0 as u32);
        (k0, k1) = (k0.wrapping_add(0x9E37_79B9), k1.wrapping_add(0xBB67_AE85));
    }
    [c0, c1, c2, c3]
}

/// A random word as a float in `[0, 1)`: its upper 24 bits, so every value is exact.
#[inline(always)]
pub fn uniform(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Low and high half of a 64-bit number, the order in which keys and counters take them.
#[inline(always)]
pub(crate) fn halves(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// The second counter word of [`normals`]. Dropout has its layer number there, and a network has
/// fewer layers, so the two never draw the same words.
const NORMALS: u32 = u32::MAX;

/// `n` draws from a normal distribution of mean 0 and standard deviation `std`.
///
/// Element `e` depends on `seed`, `stream` (a hash of the parameter's name) and `e` only. The
/// Box–Muller transform runs in f64 on `libm`'s functions, not the system's, so that a seed gives
/// the same bits on every machine. Words of 32 bits reach ±6.66 standard deviations, and after
/// 2³⁴ elements the counter begins again.
pub fn normals(seed: u64, stream: u64, std: f32, n: usize) -> Vec<f32> {
    let ([stream_low, stream_high], std) = (halves(stream), f64::from(std));
    let mut values = vec![0.0; n];
    // Chunks of 1024 blocks; one block of counters gives four values.
    values.par_chunks_mut(4096).enumerate().for_each(|(chunk, values)| {
        for (i, values) in values.chunks_mut(4).enumerate() {
            let block = (chunk * 1024 + i) as u32;
            let words = philox4x32(halves(seed), [block, NORMALS, stream_low, stream_high]);
            let [a, b] = normal_pair(words[0], words[1]);
            let [c, d] = normal_pair(words[2], words[3]);
            for (value, normal) in values.iter_mut().zip([a, b, c, d]) {
                *value = (normal * std) as f32;
            }
        }
    });
    values
}

/// Box–Muller: two words to two independent standard normals.
fn normal_pair(a: u32, b: u32) -> [f64; 2] {
    const WORDS: f64 = 4_294_967_296.0;
    let radius = libm::sqrt(-2.0 * libm::log((f64::from(a) + 1.0) / WORDS)); // (0, 1]: no ln 0
    let (sin, cos) = libm::sincos(f64::from(b) / WORDS * std::f64::consts::TAU);
    [radius * cos, radius * sin]
}
