//! Row-major arrays of f64, in which each operation has a slow reference beside it (`ops/*/reference.rs`).

use crate::random::philox::{philox4x32, uniform};

/// Numbers with their dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Length of each dimension.
    pub dims: Vec<usize>,
    /// Row-major.
    pub values: Vec<f64>,
}

impl Array {
    /// Zeros.
    pub fn zeros(dims: &[usize]) -> Self {
        Self { dims: dims.to_vec(), values: vec![0.0; dims.iter().product()] }
    }

    /// Numbers in −1..1 that f32 holds, a function of `stream`.
    pub fn random(dims: &[usize], stream: u32) -> Self {
        let mut array = Self::zeros(dims);
        for (block, values) in array.values.chunks_mut(4).enumerate() {
            let words = philox4x32([7, stream], [block as u32, 0, 0, 0]);
            values.iter_mut().zip(words).for_each(|(x, w)| *x = f64::from(2.0 * uniform(w) - 1.0));
        }
        array
    }

    /// `f` of each number.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { dims: self.dims.clone(), values: self.values.iter().map(|x| f(*x)).collect() }
    }

    /// Four dimensions; the ones missing at the end are 1.
    pub(crate) fn four(&self) -> [usize; 4] {
        std::array::from_fn(|i| self.dims.get(i).copied().unwrap_or(1))
    }

    pub(crate) fn at(&self, [b, c, h, w]: [usize; 4]) -> usize {
        let [_, channels, height, width] = self.four();
        ((b * channels + c) * height + h) * width + w
    }

    pub(crate) fn get(&self, index: [usize; 4]) -> f64 {
        self.values[self.at(index)]
    }

    pub(crate) fn add(&mut self, index: [usize; 4], x: f64) {
        let at = self.at(index);
        self.values[at] += x;
    }
}

/// Every index of four dimensions, the last one fastest.
pub(crate) fn indices([a, b, c, d]: [usize; 4]) -> impl Iterator<Item = [usize; 4]> {
    let last = move |i, j, k| (0..d).map(move |l| [i, j, k, l]);
    let third = move |i, j| (0..c).flat_map(move |k| last(i, j, k));
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| third(i, j)))
}
