//! The windows of crops: where in their images they were cut out.

use candle_core::{Device, Result};
#[cfg(feature = "cuda")]
use candle_core::{Error, Tensor};

/// Where in its image a crop was cut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Rows above the crop.
    pub top: usize,
    /// Columns to the left of the crop.
    pub left: usize,
    /// Whether the crop is mirrored left to right.
    pub flip: bool,
}

/// The windows of a batch's crops; for a GPU also as the tensor that its kernel reads.
#[derive(Debug, Clone)]
pub struct Windows {
    pub(crate) list: Vec<Window>, // (B)
    #[cfg(feature = "cuda")]
    pub(crate) on_gpu: Option<Tensor>, // (B, 3) u32: top, left, flip
}

impl Windows {
    /// The windows on `device`.
    ///
    /// # Errors
    ///
    /// A window beyond 2³² pixels; no memory on the device.
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables, reason = "the CPU reads the list"))]
    pub fn new(list: &[Window], device: &Device) -> Result<Self> {
        Ok(Self {
            list: list.to_vec(),
            #[cfg(feature = "cuda")]
            on_gpu: match device {
                Device::Cuda(_) => Some(Tensor::from_vec(words(list)?, (list.len(), 3), device)?),
                _ => None,
            },
        })
    }

    /// The window of each crop.
    pub fn list(&self) -> &[Window] {
        &self.list
    }
}

/// Windows as the CUDA kernel reads them: top, left, flip.
#[cfg(feature = "cuda")]
pub(crate) fn words(windows: &[Window]) -> Result<Vec<u32>> {
    let word =
        |n: usize| u32::try_from(n).map_err(|_| Error::Msg(format!("input: a window at {n}")));
    let words = windows.iter().map(|w| Ok([word(w.top)?, word(w.left)?, u32::from(w.flip)]));
    Ok(words.collect::<Result<Vec<_>>>()?.into_flattened())
}
