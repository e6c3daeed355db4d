//! Random numbers as pure functions of a seed and a position.
//!
//! ChaCha8 is a counter-based generator. Its 256-bit key is (seed, epoch, purpose, 0), and its
//! stream number is that of the image or chunk. So threads may draw in any order, on any machine,
//! and get the same bits.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The purposes of random draws; no two of them share a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The permutation of an epoch.
    Order = 0,
    /// Crop offset and flip.
    Geometry = 1,
    /// Colour noise.
    Color = 2,
    /// The order in which records are stored.
    Storage = 3,
    /// The pictures of the demo dataset.
    Demo = 4,
    /// Records to look at.
    Sample = 5,
}

/// The generator for one position.
pub(crate) fn draws(seed: u64, epoch: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    key[16..24].copy_from_slice(&(purpose as u64).to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(index);
    rng
}

/// A number below `bound`, and 0 for a bound of 0. It takes one 64-bit draw on every platform; the
/// bias of the multiplication is below bound / 2⁶⁴.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// A number between two others, which takes one draw.
pub(crate) fn uniform(rng: &mut ChaCha8Rng, [least, most]: [f64; 2]) -> f64 {
    let share = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    least + share * (most - least)
}

/// Shuffles `items` by the method of Fisher and Yates.
pub(crate) fn shuffle<T>(rng: &mut ChaCha8Rng, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(rng, i as u64 + 1) as usize);
    }
}

/// Draws `count` different numbers below `below`, or all where there are fewer, as `seed` says.
/// With a larger count the same seed gives the same numbers first.
///
/// ```
/// let three = alexnet_data::sample(1_000, 3, 7);
/// assert_eq!(alexnet_data::sample(1_000, 5, 7)[..3], three);
/// assert_eq!(alexnet_data::sample(2, 5, 7).len(), 2);
/// ```
pub fn sample(below: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut rng = draws(seed, 0, Purpose::Sample, 0);
    let mut all: Vec<usize> = (0..below).collect();
    for i in 0..count.min(below) {
        all.swap(i, i + self::below(&mut rng, (below - i) as u64) as usize);
    }
    all.truncate(count);
    all
}
