//! The input layer: bytes of cropped images to floats around zero.
//!
//! ```text
//! y[b,c,h,w] = (pixel[b,h,w,c] − mean[h,w,c] + shift[b,c]) · scale[c]
//!
//! with a mean of whole images, from which window b was cut out:
//! y[b,c,h,w] = (pixel[b,h,w,c] − mean[top_b + h, left_b + w′, c] + shift[b,c]) · scale[c]
//!     w′ = w, or W − 1 − w where crop b is mirrored
//! ```
//!
//! Shapes: pixels `(B, H, W, 3)` u8; mean `(H, W, 3)`, `(3)`, or with windows `(H', W', 3)`; shift
//! `(B, 3)`, both f32; `y` is `(B, 3, H, W)` f32 (on GPUs also bf16), channels-last in memory, or
//! in blocks of pixels (`../space_to_depth`). There is no gradient.
//! Units: pixels, mean and shift in 0–255; with scale 1 so is `y`.
//! Errors: other shapes or dtypes, no elements, windows that leave the mean.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §2 (the mean is subtracted before the crop, as in
//! Caffe) and §4.1 (one colour shift an image).

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;
pub(crate) mod window;

use candle_core::{DType, Result, Tensor, bail};
use rayon::prelude::*;

use self::window::{Window, Windows};
use crate::check::{check_shape, is_stored};
use crate::cpu::scratch::Scratch;
use crate::cpu::simd::vectorized;
use crate::cuda::launch::MapSize;
use crate::layout::nchw;
use crate::op::{self, Apply, Op, produce};
use crate::ops::space_to_depth::SpaceToDepth;

/// The input layer.
///
/// ```
/// use alexnet_kernels::Input;
/// use candle_core::{Device, Tensor};
///
/// let pixel = Tensor::new(&[[[[100u8, 150, 200]]]], &Device::Cpu)?; // one image of one pixel
/// let mean = Tensor::new(&[110f32, 120.0, 130.0], &Device::Cpu)?;
/// let shift = Tensor::new(&[[1f32, 2.0, 3.0]], &Device::Cpu)?;
/// let y = Input::new([1.0; 3]).forward(&pixel, &mean, &shift)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [-9.0, 32.0, 73.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input {
    /// Factor of each channel; 1 keeps the range of the pixels, as the paper does.
    pub scale: [f32; 3],
    /// The dtype of `y`: f32, on a GPU also bf16.
    pub output: DType,
    /// The blocks of pixels in which `y` lies; `None` for pixels. What a network's first layer
    /// takes is said by [`Conv2d::blocks_on_gpu`](crate::Conv2d::blocks_on_gpu).
    pub blocks: Option<SpaceToDepth>,
}

impl Input {
    /// The layer with an output in f32, in pixels.
    pub const fn new(scale: [f32; 3]) -> Self {
        Self { scale, output: DType::F32, blocks: None }
    }

    /// Pixels `(B, H, W, 3)` u8, mean `(H, W, 3)` or `(3)`, shift `(B, 3)` to `(B, 3, H, W)`, or to
    /// blocks.
    ///
    /// # Errors
    ///
    /// Other shapes or dtypes, no elements.
    pub fn forward(&self, pixels: &Tensor, mean: &Tensor, shift: &Tensor) -> Result<Tensor> {
        let [_, h, w] = self.check(pixels, shift)?;
        let mean_shape: &[usize] = if mean.rank() == 1 { &[3] } else { &[h, w, 3] };
        check_shape("input", "the mean", mean, mean_shape)?;
        self.run(pixels, mean, None, shift)
    }

    /// Pixels `(B, H, W, 3)` u8, mean `(H', W', 3)` of whole images, a window for each crop, shift
    /// `(B, 3)` to `(B, 3, H, W)`: the mean of a pixel is that of its position in the whole image.
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
        self.run(pixels, mean, Some(windows.clone()), shift)
    }

    fn run(
        &self,
        pixels: &Tensor,
        mean: &Tensor,
        windows: Option<Windows>,
        shift: &Tensor,
    ) -> Result<Tensor> {
        let inputs = [&pixels.contiguous()?, &mean.contiguous()?, &shift.contiguous()?];
        nchw(&Normalize { input: *self, windows }.run_one(inputs)?)
    }

    /// B, H and W, after a check of pixels and shift.
    fn check(&self, pixels: &Tensor, shift: &Tensor) -> Result<[usize; 3]> {
        let (dtype, shape) = (pixels.dtype(), pixels.dims());
        let &[b, h, w, 3] = shape else {
            bail!("input: pixels must have shape (B, H, W, 3), got {shape:?}")
        };
        if dtype != DType::U8 {
            bail!("input: pixels must be u8, got {dtype:?}")
        }
        if b * h * w == 0 {
            bail!("input: no pixels, their shape is {shape:?}")
        }
        check_shape("input", "the colour shift", shift, &[b, 3])?;
        if !is_stored(self.output, pixels.device()) {
            bail!("input: on this device the output is f32, not {:?}", self.output)
        }
        Ok([b, h, w])
    }
}

/// `(pixels, mean, shift) → y` (B, H, W, 3), or in blocks.
struct Normalize {
    input: Input,
    /// Where in the mean the crops are; `None` for a mean of the crops' size, or of one pixel.
    windows: Option<Windows>,
}

impl Op<3> for Normalize {
    const NAME: &'static str = "input";

    fn cpu(&self, inputs: op::CpuInputs<'_, 3>) -> Result<op::CpuOutputs> {
        let [pixels, mean, shift] = inputs;
        let (shape, (batch, h, w, _)) = (pixels.shape(), pixels.shape().dims4()?);
        // A mean of one pixel is repeated to a row of a crop, which is the mean of all rows.
        let (rows, columns) =
            mean.shape().dims3().map_or((1, w), |(rows, columns, _)| (rows, columns));
        let (pixels, mean, shift) =
            (pixels.values::<u8>()?, mean.values::<f32>()?, shift.values::<f32>()?);
        let repeated = (mean.len() == 3).then(|| mean.repeat(w));
        let mean = repeated.as_deref().unwrap_or(mean);
        let row = w * 3;
        let normalize = |y: &mut [f32]| {
            let images = y.par_chunks_mut(h * row).zip(pixels.par_chunks(h * row));
            images.zip(shift.par_chunks(3)).enumerate().for_each(
                |(image, ((y, pixels), shift))| {
                    let window = self.windows.as_ref().map(|windows| windows.list()[image]);
                    let Window { top, left, flip } = window.unwrap_or_default();
                    let (shift, scale) = (shift.repeat(w), self.input.scale.repeat(w));
                    let mut mirrored = vec![0.0; row];
                    let lines = y.chunks_exact_mut(row).zip(pixels.chunks_exact(row));
                    vectorized!(for (line, (y, pixels)) in lines.enumerate() {
                        let mut mean = &mean[((top + line) % rows * columns + left) * 3..][..row];
                        if flip {
                            let pixels = mirrored.chunks_exact_mut(3);
                            pixels
                                .zip(mean.rchunks_exact(3))
                                .for_each(|(to, x)| to.copy_from_slice(x));
                            mean = &mirrored;
                        }
                        let constants = shift.iter().zip(&scale);
                        let pixels = pixels.iter().zip(mean).zip(constants);
                        for (y, ((&pixel, mean), (shift, scale))) in y.iter_mut().zip(pixels) {
                            *y = (f32::from(pixel) - mean + shift) * scale;
                        }
                    });
                },
            );
        };
        let Some(blocks) = &self.input.blocks else {
            return produce(shape, |y| {
                normalize(y);
                Ok(())
            });
        };
        // SAFETY: `normalize` writes all of it.
        let mut in_pixels = unsafe { Scratch::uninit(shape.elem_count())? };
        normalize(&mut in_pixels);
        let [_, depth, rows, columns] = blocks.shape(batch, 3);
        produce((batch, rows, columns, depth), |y| {
            blocks.rearrange(MapSize { height: h, width: w, channels: 3 }, &in_pixels, y);
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 3>) -> Result<op::CudaOutputs> {
        cuda::input(self.input, self.windows.as_ref(), inputs)
    }
}
