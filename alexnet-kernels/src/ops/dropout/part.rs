//! Parts of a layer, and how a mask numbers their elements.

use candle_core::{Result, bail};

/// Which numbers of each image of a layer a tensor holds, so that a tower on a device of its own drops what it would
/// drop as a half of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Numbers of the same image before them, in the layer's logical order.
    pub first: usize,
    /// All numbers of an image in the layer.
    pub whole: usize,
}

/// How the elements of a tensor, in logical order, are numbered: rows of `row`, one an image, of which the first begins
/// at `first` and each other one `whole` behind the one before.
#[doc(hidden)] // for the tests that run the kernels on the host
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Elements of a row.
    pub(crate) row: usize,
    /// The number of the first row's first.
    pub(crate) first: usize,
    /// From a row's first to the next one's.
    pub(crate) whole: usize,
}

impl Rows {
    /// Of a tensor of these dimensions, alone or a part of a layer.
    ///
    /// # Errors
    ///
    /// A part that leaves the layer; numbers beyond the counter.
    pub fn new(dims: &[usize], part: Option<Part>) -> Result<Self> {
        let images = if let [images, _, ..] = *dims { images.max(1) } else { 1 };
        let row = dims.iter().product::<usize>() / images;
        let Part { first, whole } = part.unwrap_or(Part { first: 0, whole: row });
        if first.checked_add(row).is_none_or(|end| end > whole) {
            bail!("dropout: {row} numbers behind {first} leave an image of {whole}")
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
