//! Philox4x32-10: random numbers as a pure function of a key and a counter.
//!
//! ```text
//! (hi0, lo0) = 0xD2511F53 · c0      (hi1, lo1) = 0xCD9E8D57 · c2
//! c ← (hi1 ^ c1 ^ k0, lo1, hi0 ^ c3 ^ k1, lo0)              ten times; between the rounds
//! k ← (k0 + 0x9E3779B9, k1 + 0xBB67AE85)
//! ```
//!
//! There is no state, so any thread, and a GPU, computes number `e` of a stream without those
//! before it, and a resumed run draws what the interrupted one would have drawn.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

/// The four random words of `counter` under `key`.
///
/// ```
/// // A known answer of the authors' Random123.
/// let words = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8];
/// assert_eq!(alexnet_kernels::philox4x32([0, 0], [0; 4]), words);
/// ```
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

/// A random word as a float in `[0, 1)`: its upper 24 bits, all of which f32 holds.
///
/// ```
/// assert_eq!(alexnet_kernels::uniform(1 << 31), 0.5);
/// ```
#[inline(always)]
pub fn uniform(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// The low and the high half of a 64-bit number, in the order in which keys and counters take them.
#[inline(always)]
pub(crate) fn halves(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}
