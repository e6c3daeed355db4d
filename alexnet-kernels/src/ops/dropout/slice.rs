//! Slices of a layer, and how a mask numbers their elements.

use candle_core::{Result, bail};

/// Which units of each image of a layer a tensor holds. With it a tower on a device of its own
/// drops the same units as it would as a half of one layer on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutSlice {
    /// How many units of the same image come before them, in the layer's logical order.
    pub first: usize,
    /// How many units an image has in the whole layer.
    pub whole: usize,
}

/// How the elements of a tensor, in logical order, are numbered: a row is the elements of one
/// image; the first row begins at number `first`, and each later one `whole` after the previous
/// one.
#[doc(hidden)] // for the tests that run the kernels on the host
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Elements of a row.
    pub(crate) row: usize,
    /// The number of the first element of the first row.
    pub(crate) first: usize,
    /// The distance of the numbers of two rows' first elements.
    pub(crate) whole: usize,
}

impl Rows {
    /// The numbering of a tensor of these dimensions, which is a whole layer or a slice of one.
    ///
    /// # Errors
    ///
    /// A slice that leaves the layer; numbers beyond the range of the counter.
    pub fn new(dims: &[usize], slice: Option<DropoutSlice>) -> Result<Self> {
        let images = if let [images, _, ..] = *dims { images.max(1) } else { 1 };
        let row = dims.iter().product::<usize>() / images;
        let all = DropoutSlice { first: 0, whole: row };
        let DropoutSlice { first, whole } = slice.unwrap_or(all);
        if first.checked_add(row).is_none_or(|end| end > whole) {
            bail!("dropout: a slice of {row} units after {first} leaves an image of {whole}")
        }
        let rows = Self { row, first, whole };
        if images.checked_mul(rows.whole).is_none_or(|last| last as u64 > 4 << 32) {
            bail!(
                "dropout: the counter ends at {} elements, got {images} images of {}",
                4u64 << 32,
                rows.whole
            )
        }
        Ok(rows)
    }
}
