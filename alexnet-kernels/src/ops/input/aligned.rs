//! The input layer with a mean that follows the crop: the mean that is subtracted from a pixel is
//! that of its position in the whole image.
//!
//! ```text
//! y[b,c,h,w] = (pixel[b,h,w,c] − mean[top_b + h, left_b + w′, c] + shift[b,c]) · scale[c]
//!     w′ = w, or W − 1 − w where crop b is mirrored
//! ```
//!
//! Shapes: pixels `(B, H, W, 3)` u8; mean `(H', W', 3)` f32, of the size of whole images; shift
//! `(B, 3)` f32; one window per image; `y` is `(B, 3, H, W)` f32 (on GPUs also bf16), channels-last
//! in memory. There is no gradient.
//! Units: pixels, mean and shift in 0–255.
//! Errors: other shapes or dtypes, windows that leave the mean.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §2 (the mean is subtracted before the crop); Caffe
//! does the same.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, Result, Tensor, bail};
use rayon::prelude::*;

use super::Input;
use super::window::Windows;
use crate::check::check_shape;
#[cfg(feature = "cuda")]
use crate::cuda::launch::Storage;
use crate::layout::nchw;
use crate::op::{self, Apply, Op, Outputs, produce};

impl Input {
    /// Pixels `(B, H, W, 3)` u8, mean `(H', W', 3)` of whole images, a window for each crop, shift
    /// `(B, 3)` to `(B, 3, H, W)`.
    ///
    /// # Errors
    ///
    /// Other shapes or dtypes, no elements, windows that leave the mean.
    pub fn forward_aligned(
        &self,
        pixels: &Tensor,
        mean: &Tensor,
        windows: &Windows,
        shift: &Tensor,
    ) -> Result<Tensor> {
        let [b, h, w] = self.check(pixels, shift)?;
        let &[rows, columns, 3] = mean.dims() else {
            bail!("input: the mean must have shape (H, W, 3), got {:?}", mean.dims())
        };
        check_shape("input", "the mean", mean, &[rows, columns, 3])?;
        if windows.list().len() != b {
            bail!("input: {b} crops, but {} windows", windows.list().len())
        }
        let inside =
            |offset: usize, size, whole| offset.checked_add(size).is_some_and(|e| e <= whole);
        for window in windows.list() {
            if !inside(window.top, h, rows) || !inside(window.left, w, columns) {
                bail!("input: crop of {h}x{w} at {window:?} leaves the mean of {rows}x{columns}")
            }
        }
        let op = Aligned { input: *self, windows: windows.clone() };
        nchw(&op.run_one([&pixels.contiguous()?, &mean.contiguous()?, &shift.contiguous()?])?)
    }
}

/// `(pixels, mean, shift) → y`.
struct Aligned {
    input: Input,
    windows: Windows,
}

impl Op<3> for Aligned {
    const NAME: &'static str = "input";

    fn cpu(&self, inputs: [op::Input<'_, CpuStorage>; 3]) -> Result<Outputs<CpuStorage>> {
        let [pixels, mean, shift] = inputs;
        let ((_, h, w, _), (_, columns, _)) = (pixels.dims4()?, mean.shape().dims3()?);
        let (shape, pixels) = (pixels.shape(), pixels.values::<u8>()?);
        let (mean, shift) = (mean.values::<f32>()?, shift.values::<f32>()?);
        produce(shape, |y| {
            let images = y.par_chunks_mut(h * w * 3).zip(pixels.par_chunks(h * w * 3));
            let images = images.zip(shift.par_chunks(3)).zip(self.windows.list());
            images.for_each(|(((y, pixels), shift), window)| {
                for (row, (y, pixels)) in y.chunks_mut(w * 3).zip(pixels.chunks(w * 3)).enumerate()
                {
                    let start = ((window.top + row) * columns + window.left) * 3;
                    let mean = &mean[start..start + w * 3];
                    for column in 0..w {
                        let of = if window.flip { w - 1 - column } else { column };
                        for c in 0..3 {
                            let value =
                                f32::from(pixels[column * 3 + c]) - mean[of * 3 + c] + shift[c];
                            y[column * 3 + c] = value * self.input.scale[c];
                        }
                    }
                }
            });
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: [op::Input<'_, CudaStorage>; 3]) -> Result<Outputs<CudaStorage>> {
        let storage = Storage::of(self.input.output)?;
        super::cuda::input_aligned(storage, inputs, &self.windows, self.input.scale)
    }
}
