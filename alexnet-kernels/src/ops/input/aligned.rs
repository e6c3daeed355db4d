//! The first layer with a mean that follows the crop: each pixel loses the mean of where it was in the image.
//!
//! ```text
//! y[b,c,h,w] = (pixel[b,h,w,c] − mean[top_b + h, left_b + w′, c] + shift[b,c]) · scale[c]
//!     w′ = w, or W − 1 − w where crop b is mirrored
//! ```
//!
//! Shapes: pixels `(B, H, W, 3)` u8; mean `(H', W', 3)` f32, the size of the whole images; shift `(B, 3)` f32;
//! one window an image; `y` is `(B, 3, H, W)` f32 (on cards also bf16), channels-last in memory. There is no gradient.
//! Units: pixels, mean and shift in 0–255.
//! Errors: other shapes or dtypes, windows that leave the mean.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §2 (the mean is subtracted before the crop); Caffe does the same.

#[cfg(feature = "cuda")]
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
#[cfg(feature = "cuda")]
use candle_core::{CudaStorage, Device};
use rayon::prelude::*;

use super::Input;
use super::window::Window;
#[cfg(feature = "cuda")]
use crate::cuda::launch::Storage;
use crate::layout::{check_shape, nchw, produce, values};
use crate::staging::DeviceBatch;

impl Input {
    /// Pixels (B, H, W, 3) u8, mean (H', W', 3) of whole images, a window for each crop, shift (B, 3) to
    /// (B, 3, H, W).
    ///
    /// # Errors
    ///
    /// Other shapes or dtypes, no elements, windows that leave the mean.
    pub fn forward_aligned(
        &self,
        pixels: &Tensor,
        mean: &Tensor,
        windows: &[Window],
        shift: &Tensor,
    ) -> Result<Tensor> {
        self.aligned(pixels, mean, (windows, None), shift)
    }

    /// The same of a batch that was sent with its windows: then nothing is left to be sent.
    ///
    /// # Errors
    ///
    /// Those of [`forward_aligned`](Self::forward_aligned).
    pub fn forward_aligned_batch(&self, batch: &DeviceBatch, mean: &Tensor) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        let there = batch.windows_there.as_ref();
        #[cfg(not(feature = "cuda"))]
        let there = None;
        self.aligned(&batch.pixels, mean, (&batch.windows, there), &batch.shift)
    }

    /// `there` is what a card has of `windows` already.
    fn aligned(
        &self,
        pixels: &Tensor,
        mean: &Tensor,
        (windows, there): (&[Window], Option<&Tensor>),
        shift: &Tensor,
    ) -> Result<Tensor> {
        let &[b, h, w, 3] = pixels.dims() else {
            bail!("input: pixels must have shape (B, H, W, 3), got {:?}", pixels.dims())
        };
        if pixels.dtype() != DType::U8 || b * h * w == 0 {
            bail!("input: pixels must be u8 and some, got {:?} {:?}", pixels.dtype(), pixels.dims())
        }
        let &[rows, columns, 3] = mean.dims() else {
            bail!("input: the mean must have shape (H, W, 3), got {:?}", mean.dims())
        };
        if windows.len() != b {
            bail!("input: {b} crops, but {} windows", windows.len())
        }
        let inside =
            |offset: usize, size, whole| offset.checked_add(size).is_some_and(|e| e <= whole);
        for window in windows {
            if !inside(window.top, h, rows) || !inside(window.left, w, columns) {
                bail!("input: crop of {h}x{w} at {window:?} leaves the mean of {rows}x{columns}")
            }
        }
        check_shape("input", "the mean", mean, &[rows, columns, 3])?;
        check_shape("input", "the colour shift", shift, &[b, 3])?;
        self.check_output(pixels)?;
        let op = Aligned { input: *self, windows: windows.to_vec(), there: there.cloned() };
        let (pixels, mean, shift) = (pixels.contiguous()?, mean.contiguous()?, shift.contiguous()?);
        nchw(&pixels.apply_op3_no_bwd(&mean, &shift, &op)?)
    }
}

struct Aligned {
    input: Input,
    windows: Vec<Window>, // (B)
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "the processor reads the list"))]
    there: Option<Tensor>, // (B, 3) u32
}

impl CustomOp3 for Aligned {
    fn name(&self) -> &'static str {
        "input-aligned"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        pixels: &CudaStorage,
        pixels_l: &Layout,
        mean: &CudaStorage,
        mean_l: &Layout,
        shift: &CudaStorage,
        shift_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (pixels, mean, shift) = ((pixels, pixels_l), (mean, mean_l), (shift, shift_l));
        let Input { scale, output } = self.input;
        let storage = Storage::of(output)?;
        let windows = match &self.there {
            Some(windows) => windows.clone(),
            None => {
                let words = super::window::window_words(&self.windows)?;
                let device = Device::Cuda(pixels.0.device().clone());
                Tensor::from_vec(words, (self.windows.len(), 3), &device)?
            }
        };
        let y = super::cuda::input_aligned(storage, pixels, mean, shift, &windows, scale)?;
        Ok((y, pixels_l.shape().clone()))
    }

    fn cpu_fwd(
        &self,
        pixels: &CpuStorage,
        l: &Layout,
        mean: &CpuStorage,
        mean_l: &Layout,
        shift: &CpuStorage,
        shift_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, h, w, _) = l.shape().dims4()?;
        let (_, columns, _) = mean_l.shape().dims3()?;
        let pixels = values::<u8>("input", pixels, l)?;
        let mean = values::<f32>("input", mean, mean_l)?;
        let shift = values::<f32>("input", shift, shift_l)?;
        produce(l.shape(), |y| {
            let images = y.par_chunks_mut(h * w * 3).zip(pixels.par_chunks(h * w * 3));
            let images = images.zip(shift.par_chunks(3)).zip(&self.windows);
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
}
