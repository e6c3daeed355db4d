//! Space-to-depth: images in blocks of pixels, whose pixels are channels.
//!
//! ```text
//! y[b, (dy·s + dx)·C + c, row, column] = x[b, c, row·s + dy − top, column·s + dx − left]
//! ```
//!
//! x is 0 outside the map. A strided convolution over x is one with stride 1 over y
//! (`conv2d/over_blocks.rs`).
//!
//! Shapes: `x` is `(B, C, H, W)`, `y` is `(B, s·s·C, rows, columns)`; f32, on GPUs also bf16. In
//! memory both are channels-last, so the s·C elements of a line of a block are neighbours in both.
//! There is no gradient.
//! Units: `side`, `top` and `left` count pixels, `rows` and `columns` blocks.
//! Errors: other ranks or dtypes, no elements, a side of 0.

#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use crate::check::dims;
use crate::cuda::launch::MapSize;
use crate::layout::{nchw, nhwc};
use crate::op::{self, Apply, Op, produce};

/// Which pixels are in which block.
///
/// ```
/// use alexnet_kernels::SpaceToDepth;
/// use candle_core::{Device, Tensor};
///
/// let x = Tensor::arange(0f32, 4.0, &Device::Cpu)?.reshape((1, 1, 1, 4))?;
/// let blocks = SpaceToDepth { side: 2, top: 1, left: 0, rows: 1, columns: 2 };
/// let y = blocks.forward(&x)?; // (1, 4, 1, 2): a line of zeros above the image
/// let lines: Vec<Vec<f32>> = y.reshape((4, 2))?.to_vec2()?;
/// assert_eq!(lines, [[0.0, 0.0], [0.0, 0.0], [0.0, 2.0], [1.0, 3.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpaceToDepth {
    /// Pixels of a side of a block.
    pub side: usize,
    /// Rows of zeros above the image.
    pub top: usize,
    /// Columns of zeros to the left of the image.
    pub left: usize,
    /// Blocks from top to bottom.
    pub rows: usize,
    /// Blocks from left to right.
    pub columns: usize,
}

impl SpaceToDepth {
    /// `x` `(B, C, H, W)` to `(B, s·s·C, rows, columns)`.
    ///
    /// # Errors
    ///
    /// Another rank or dtype, no elements, a side of 0.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        dims::<4>("space to depth", "the input", x)?;
        if self.side == 0 || self.rows * self.columns == 0 {
            bail!("space to depth: {self:?} has no pixels")
        }
        nchw(&Blocks(*self).run_one([&nhwc(x)?])?)
    }

    /// The shape `(B, C, H, W)` of images of `channels` in blocks.
    pub fn shape(&self, batch: usize, channels: usize) -> [usize; 4] {
        [batch, self.side * self.side * channels, self.rows, self.columns]
    }

    /// Images (B, H, W, C) to (B, rows, columns, s·s·C).
    pub(crate) fn rearrange(&self, size: MapSize, x: &[f32], to: &mut [f32]) {
        let (side, channels) = (self.side, size.channels);
        let (run, row) = (side * channels, size.width * channels);
        let rows = to.par_chunks_mut(self.columns * side * run).enumerate();
        rows.for_each(|(number, to)| {
            let (image, above) = (number / self.rows, number % self.rows);
            let x = &x[image * size.elements()..][..size.elements()];
            for line in 0..side {
                let from = (above * side + line).wrapping_sub(self.top);
                let from = if from < size.height { &x[from * row..][..row] } else { &[] };
                for (column, to) in to.chunks_exact_mut(side * run).enumerate() {
                    let to = &mut to[line * run..][..run];
                    let first = (column * run) as isize - (self.left * channels) as isize;
                    match usize::try_from(first).ok().and_then(|f| from.get(f..f + run)) {
                        Some(from) => to.copy_from_slice(from),
                        None => {
                            for (at, to) in (first..).zip(to) {
                                let value = usize::try_from(at).ok().and_then(|at| from.get(at));
                                *to = value.copied().unwrap_or(0.0);
                            }
                        }
                    }
                }
            }
        });
    }
}

/// `x` (B, H, W, C) to (B, rows, columns, s·s·C).
struct Blocks(SpaceToDepth);

impl Op<1> for Blocks {
    const NAME: &'static str = "space to depth";

    fn cpu(&self, [x]: op::CpuInputs<'_, 1>) -> Result<op::CpuOutputs> {
        let ((b, height, width, channels), values) = (x.shape().dims4()?, x.values()?);
        let [_, depth, rows, columns] = self.0.shape(b, channels);
        produce((b, rows, columns, depth), |y| {
            self.0.rearrange(MapSize { height, width, channels }, values, y);
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: op::CudaInputs<'_, 1>) -> Result<op::CudaOutputs> {
        use crate::cuda::gpu::Gpu;
        let (b, height, width, channels) = x.shape().dims4()?;
        let (gpu, size) = (Gpu::of(x.storage), MapSize { height, width, channels });
        let memory = cuda::space_to_depth(&gpu, &self.0, (b, size), &gpu.read(&x)?)?;
        Ok(memory.output().into())
    }
}
