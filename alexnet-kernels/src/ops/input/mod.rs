//! The first layer: bytes of cropped images to floats around zero.
//!
//! ```text
//! y[b,c,h,w] = (pixel[b,h,w,c] − mean[h,w,c] + shift[b,c]) · scale[c]
//! ```
//!
//! Shapes: pixels `(B, H, W, 3)` u8; mean `(H, W, 3)` or `(3)`, shift `(B, 3)`, both f32; `y` is
//! `(B, 3, H, W)` f32 (on cards also bf16), channels-last in memory. There is no gradient.
//! Units: pixels, mean and shift in 0–255; with scale 1 so is `y`.
//! Errors: other shapes or dtypes, no elements.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §2 (mean) and §4.1 (one colour shift an image).

mod aligned;
#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;
pub(crate) mod window;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::cpu::simd::vectorized;
#[cfg(feature = "cuda")]
use crate::cuda::launch::Storage;
use crate::layout::{check_shape, is_stored, nchw, produce, values};

/// The constants of the layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input {
    /// Factor of each channel; 1 keeps the range of the pixels, as the paper does.
    pub scale: [f32; 3],
    /// What `y` is stored as: f32, and on a card bf16.
    pub output: DType,
}

impl Input {
    /// The layer with an output in f32.
    pub const fn new(scale: [f32; 3]) -> Self {
        Self { scale, output: DType::F32 }
    }

    /// Pixels (B, H, W, 3) u8, mean (H, W, 3) or (3), shift (B, 3) to (B, 3, H, W).
    ///
    /// # Errors
    ///
    /// Other shapes or dtypes, no elements.
    pub fn forward(&self, pixels: &Tensor, mean: &Tensor, shift: &Tensor) -> Result<Tensor> {
        let &[b, h, w, 3] = pixels.dims() else {
            bail!("input: pixels must have shape (B, H, W, 3), got {:?}", pixels.dims())
        };
        if pixels.dtype() != DType::U8 {
            bail!("input: pixels must be u8, got {:?}", pixels.dtype())
        }
        if b * h * w == 0 {
            bail!("input: no pixels, their shape is {:?}", pixels.dims())
        }
        self.check_output(pixels)?;
        let mean_shape: &[usize] = if mean.rank() == 1 { &[3] } else { &[h, w, 3] };
        check_shape("input", "the mean", mean, mean_shape)?;
        check_shape("input", "the colour shift", shift, &[b, 3])?;
        let (pixels, mean, shift) = (pixels.contiguous()?, mean.contiguous()?, shift.contiguous()?);
        nchw(&pixels.apply_op3_no_bwd(&mean, &shift, self)?)
    }

    pub(crate) fn check_output(&self, pixels: &Tensor) -> Result<()> {
        if !is_stored(self.output, pixels.device()) {
            bail!("input: on this device the output is f32, not {:?}", self.output)
        }
        Ok(())
    }
}

impl CustomOp3 for Input {
    fn name(&self) -> &'static str {
        "input"
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
        let (mean, shift) = ((mean, mean_l), (shift, shift_l));
        let storage = Storage::of(self.output)?;
        let y = cuda::input(storage, (pixels, pixels_l), mean, shift, self.scale)?;
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
        let pixels = values::<u8>("input", pixels, l)?;
        let mean = values::<f32>("input", mean, mean_l)?;
        let shift = values::<f32>("input", shift, shift_l)?;
        let row = w * 3;
        // A mean of three floats becomes one row of an image, so that both kinds are rows.
        let same_everywhere = (mean.len() == 3).then(|| mean.repeat(w));
        let mean = same_everywhere.as_deref().unwrap_or(mean);
        produce(l.shape(), |y| {
            let images = y.par_chunks_mut(h * row).zip(pixels.par_chunks(h * row));
            images.zip(shift.par_chunks(3)).for_each(|((y, pixels), shift)| {
                let shift: Vec<f32> = shift.repeat(w);
                let scale: Vec<f32> = self.scale.repeat(w);
                vectorized(
                    #[inline(always)]
                    || {
                        let rows = y.chunks_exact_mut(row).zip(pixels.chunks_exact(row));
                        for ((y, pixels), mean) in rows.zip(mean.chunks_exact(row).cycle()) {
                            for (i, (y, &pixel)) in y.iter_mut().zip(pixels).enumerate() {
                                *y = (f32::from(pixel) - mean[i] + shift[i]) * scale[i];
                            }
                        }
                    },
                );
            });
            Ok(())
        })
    }
}
