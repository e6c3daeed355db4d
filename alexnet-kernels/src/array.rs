//! Row-major arrays of f64, on which the slow references of the operations work
//! (`ops/*/reference.rs`).

use candle_core::{DType, Device, Result, Tensor};

use crate::random::philox::{philox4x32, uniform};

/// An array of f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The length of each dimension.
    pub dims: Vec<usize>,
    /// The elements, row-major.
    pub values: Vec<f64>,
}

impl Array {
    /// Zeros.
    pub fn zeros(dims: &[usize]) -> Self {
        Self { dims: dims.to_vec(), values: vec![0.0; dims.iter().product()] }
    }

    /// Numbers in −1..1 that f32 can hold; they depend on `stream` only.
    pub fn random(dims: &[usize], stream: u32) -> Self {
        let mut array = Self::zeros(dims);
        for (block, values) in array.values.chunks_mut(4).enumerate() {
            let words = philox4x32([7, stream], [block as u32, 0, 0, 0]);
            values.iter_mut().zip(words).for_each(|(x, w)| *x = f64::from(2.0 * uniform(w) - 1.0));
        }
        array
    }

    /// `f` of each element.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { dims: self.dims.clone(), values: self.values.iter().map(|x| f(*x)).collect() }
    }

    /// The elements of a tensor of any strides.
    ///
    /// # Errors
    ///
    /// A dtype that candle does not convert; a device that is lost.
    pub fn of(x: &Tensor) -> Result<Self> {
        let values = x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        Ok(Self { dims: x.dims().to_vec(), values })
    }

    /// The elements, rounded to f32, on a device.
    ///
    /// # Errors
    ///
    /// No memory on the device.
    pub fn tensor(&self, device: &Device) -> Result<Tensor> {
        let values: Vec<f32> = self.values.iter().map(|&x| x as f32).collect();
        Tensor::from_vec(values, &self.dims[..], device)
    }

    /// The sum of the products of both arrays' elements.
    pub fn dot(&self, other: &Self) -> f64 {
        self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum()
    }

    /// The dimensions, filled up to four with 1 at the end.
    pub(crate) fn four(&self) -> [usize; 4] {
        std::array::from_fn(|i| self.dims.get(i).copied().unwrap_or(1))
    }

    /// Where the element of an index of four dimensions is in `values`.
    pub fn at(&self, [b, c, h, w]: [usize; 4]) -> usize {
        let [_, channels, height, width] = self.four();
        ((b * channels + c) * height + h) * width + w
    }

    /// The element of an index of four dimensions.
    pub fn get(&self, index: [usize; 4]) -> f64 {
        self.values[self.at(index)]
    }

    pub(crate) fn add(&mut self, index: [usize; 4], x: f64) {
        let at = self.at(index);
        self.values[at] += x;
    }
}

/// Every index of an array of four dimensions, the last dimension fastest.
pub(crate) fn indices([a, b, c, d]: [usize; 4]) -> impl Iterator<Item = [usize; 4]> {
    let last = move |i, j, k| (0..d).map(move |l| [i, j, k, l]);
    let third = move |i, j| (0..c).flat_map(move |k| last(i, j, k));
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| third(i, j)))
}
