//! The local steps of a reduce-scatter: the channels of one part, and sums of such parts.

use std::ops::Range;

#[cfg(feature = "cuda")]
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::check::{check_channels, check_shape, check_values};
use crate::cpu::simd::vectorized;
use crate::layout::{in_logical_order, in_memory_order};
use crate::op::{self, Apply, Input, Op, produce};

/// Elements that a thread copies or adds at a time, at least.
const CHUNK: usize = 16 * 1024;

/// The given channels of `x`, `(B, C, H, W)` or `(B, C)`: a copy.
///
/// candle does not differentiate through this; it serves backward passes that are written by hand.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let x = Tensor::new(&[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu)?;
/// assert_eq!(alexnet_kernels::scatter(&x, 1..3)?.to_vec2::<f32>()?, [[2.0, 3.0], [5.0, 6.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
///
/// Ranks other than 2 and 4; dtypes other than f32, on a GPU also bf16; channels that `x` does not
/// have.
pub fn scatter(x: &Tensor, channels: Range<usize>) -> Result<Tensor> {
    check_channels("scatter", x)?;
    let all = x.dim(1)?;
    if channels.is_empty() || channels.end > all {
        bail!("scatter: channels {channels:?} of a tensor of {all}")
    }
    in_logical_order(&Scatter(channels).run_one([&in_memory_order(x)?])?)
}

/// `x (…, C) → y (…, the channels)`.
struct Scatter(Range<usize>);

impl Scatter {
    /// The number of channels of `x`, and the shape of `y`.
    fn sizes<S>(&self, x: &Input<'_, S>) -> Result<(usize, Shape)> {
        let mut dims = x.shape().dims().to_vec();
        match dims.last_mut() {
            Some(last) => Ok((std::mem::replace(last, self.0.len()), Shape::from(dims))),
            None => bail!("scatter: a scalar has no channels"),
        }
    }
}

impl Op<1> for Scatter {
    const NAME: &'static str = "scatter";

    fn cpu(&self, [x]: op::CpuInputs<'_, 1>) -> Result<op::CpuOutputs> {
        let ((all, shape), x, width) = (self.sizes(&x)?, x.values::<f32>()?, self.0.len());
        produce(shape, |y| {
            let rows_each = CHUNK.div_ceil(width);
            y.par_chunks_mut(rows_each * width).enumerate().for_each(|(chunk, y)| {
                for (number, y) in (chunk * rows_each..).zip(y.chunks_exact_mut(width)) {
                    y.copy_from_slice(&x[number * all..][self.0.clone()]);
                }
            });
            Ok(())
        })
    }

    /// candle's own copy of a view would send the view's sizes to the GPU each time, from memory
    /// that is not pinned, which waits for the GPU.
    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: op::CudaInputs<'_, 1>) -> Result<op::CudaOutputs> {
        let ((all, shape), (start, end), width) = (self.sizes(&x)?, x.dense_range()?, self.0.len());
        let (rows, x) = ((end - start) / all.max(1), x.storage);
        // SAFETY: the copy below writes all of it, `rows` rows of `width` elements.
        let mut y = unsafe { x.device().alloc_uninit(&shape, x.dtype())? };
        x.copy2d(&mut y, rows, width, all, width, start + self.0.start, 0)?;
        Ok((y, shape).into())
    }
}

/// `sum + x`. On the CPU the result is in the memory of `sum`, so other views of that change too.
///
/// # Errors
///
/// Shapes, dtypes or devices that differ.
pub fn add(sum: Tensor, x: &Tensor) -> Result<Tensor> {
    check_values("add", "the sum", &sum)?;
    check_shape("add", "a term", x, sum.dims())?;
    let (sum, x) = (in_memory_order(&sum)?, in_memory_order(x)?);
    if !sum.device().is_cpu() {
        return in_logical_order(&(sum + x)?);
    }
    sum.inplace_op2(&x, &Add)?;
    in_logical_order(&sum)
}

struct Add;

impl InplaceOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        sum: &mut CpuStorage,
        layout: &Layout,
        x: &CpuStorage,
        x_layout: &Layout,
    ) -> Result<()> {
        let x = Input { op: "add", storage: x, layout: x_layout }.values::<f32>()?;
        let (CpuStorage::F32(sum), Some((start, end))) = (sum, layout.contiguous_offsets()) else {
            return Err(candle_core::Error::RequiresContiguous { op: "add" }.bt());
        };
        sum[start..end].par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(sum, x)| {
            vectorized!(sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x));
        });
        Ok(())
    }
}
