//! Max-pooling with any kernel and stride, so also the paper's overlapping one (3 by 3, stride 2).
//!
//! ```text
//!  y[h,w] = max x[h·stride + i, w·stride + j]         0 ≤ i, j < kernel, inside the map
//!  a[h,w] = i·kernel + j of the first maximum
//! dx[h,w] = Σ dy of the windows whose a is (h, w)
//! H' = ⌊(H − kernel) / stride⌋ + 1,  or ⌈ ⌉ with `ceil`
//! ```
//!
//! Shapes: `x`, `dx` are `(B, C, H, W)`; `y`, `dy` are `(B, C, H', W')`, f32; `a` too, of u8, or of u32
//! for kernels of 16 and more, whose largest value stands for "none".
//! Units: `kernel` and `stride` count pixels.
//! Errors: rank other than 4, dtype other than f32, no elements, kernel or stride 0, kernel
//! larger than the map, `dy` of another shape than `y`.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.4; `ceil` is what the authors' program does.
//! Deviations: of equal maxima the first in scan order takes the whole gradient, as in PyTorch and
//! Caffe; in the authors' program each takes it. With `ceil` and stride > kernel, a last window
//! that would lie outside the map altogether is left out. NaN counts as larger than any number,
//! so that a diverged run is seen.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;

use std::cell::OnceCell;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::op::BackpropOp;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Result, Shape, Storage};
use candle_core::{Tensor, bail};

use crate::cpu::pool::unwritten;
use crate::layout::{check_shape, dims4, nchw, nhwc, produce, values};
use crate::ops::gradients::InputGradient;
use crate::ops::relu::rectified;
use cpu::{Kernel, Place};
#[cfg(feature = "cuda")]
use launch::PoolSize;

/// The window and its steps, the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxPool2d {
    /// Side of the window, in pixels.
    pub kernel: usize,
    /// Distance between windows, in pixels; larger than `kernel` leaves pixels out.
    pub stride: usize,
    /// Whether a last window may hang over the edge, where it sees only the pixels there are.
    pub ceil: bool,
}

impl MaxPool2d {
    /// Height and width of the output for a map of `input` height and width.
    ///
    /// # Errors
    ///
    /// Kernel or stride 0, kernel larger than the map.
    pub fn output_size(&self, (height, width): (usize, usize)) -> Result<(usize, usize)> {
        Ok((self.output_length(height)?, self.output_length(width)?))
    }

    fn output_length(&self, input: usize) -> Result<usize> {
        let Self { kernel, stride, ceil } = *self;
        if kernel == 0 || stride == 0 {
            bail!("max-pool: kernel {kernel} and stride {stride} must be at least 1")
        }
        if kernel > input {
            bail!("max-pool: the kernel, {kernel} pixels, is larger than the map, {input}")
        }
        let steps = input - kernel;
        let last = if ceil { steps.div_ceil(stride) } else { steps / stride };
        // With stride > kernel the last window may begin outside the map.
        Ok(if last * stride < input { last + 1 } else { last })
    }

    /// `x` (B, C, H, W) to `y` (B, C, H', W').
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and windows that have no meaning.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, false)
    }

    /// [`MaxPool2d::forward`] and [`Relu`](crate::Relu) in one pass.
    ///
    /// # Errors
    ///
    /// Those of [`MaxPool2d::forward`].
    pub fn forward_relu(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, true)
    }

    fn apply(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        let (_, _, h, w) = dims4("max-pool", "the input", x)?;
        self.output_size((h, w))?;
        nchw(&nhwc(x)?.apply_op1(Forward { pool: *self, relu })?)
    }

    /// [`MaxPool2d::forward`], or with `relu` [`MaxPool2d::forward_relu`], keeping what
    /// [`MaxPool2d::backward_argmax`] needs instead of `x`. `input` is the gradient that is to give: with
    /// [`InputGradient::Rectified`] a window without a value above 0 passes nothing on.
    ///
    /// # Errors
    ///
    /// Those of [`MaxPool2d::forward`].
    pub fn forward_argmax(&self, x: &Tensor, relu: bool, input: InputGradient) -> Result<Pooled> {
        let (_, _, h, w) = dims4("max-pool", "the input", x)?;
        self.output_size((h, w))?;
        let rectified = input == InputGradient::Rectified;
        let op = ForwardArgmax { pool: *self, relu, rectified, argmax: OnceCell::new() };
        let output = nhwc(x)?.apply_op1_no_bwd(&op)?;
        let Some(argmax) = op.argmax.into_inner() else { bail!("max-pool: no argmax was made") };
        let argmax = Tensor::from_storage(argmax, output.shape(), BackpropOp::none(), false);
        Ok(Pooled { output: nchw(&output)?, argmax: nchw(&argmax)? })
    }

    /// The gradient by `x` (B, C, H, W), given that by `y` (B, C, H', W').
    ///
    /// # Errors
    ///
    /// Those of [`MaxPool2d::forward`], and `dy` of another shape than `y`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let (_, _, h, w) = dims4("max-pool", "the input", x)?;
        let argmax = self.forward_argmax(x, false, InputGradient::Plain)?.argmax;
        self.backward_argmax(&argmax, dy, (h, w))
    }

    /// The gradient by `x` (B, C, H, W), of which `size` is the height and width, given `argmax` and the
    /// gradient by `y`, both (B, C, H', W').
    ///
    /// # Errors
    ///
    /// Other ranks or dtypes, shapes that do not fit.
    pub fn backward_argmax(
        &self,
        argmax: &Tensor,
        dy: &Tensor,
        size: (usize, usize),
    ) -> Result<Tensor> {
        let (b, c, _, _) = dims4("max-pool", "the gradient", dy)?;
        let (out_h, out_w) = self.output_size(size)?;
        check_shape("max-pool", "the gradient", dy, &[b, c, out_h, out_w])?;
        if argmax.dtype() != self.place_type() || argmax.dims() != dy.dims() {
            let (dtype, dims) = (argmax.dtype(), argmax.dims());
            let expected = self.place_type();
            bail!("max-pool: argmax must be {expected:?} {:?}, got {dtype:?} {dims:?}", dy.dims())
        }
        nchw(&nhwc(argmax)?.apply_op2_no_bwd(&nhwc(dy)?, &Backward { pool: *self, size })?)
    }

    /// The dtype of an argmax.
    fn place_type(&self) -> DType {
        if self.kernel < 16 { DType::U8 } else { DType::U32 }
    }
}

#[cfg(feature = "cuda")]
impl MaxPool2d {
    /// The sizes as the kernels of cards take them, for an input (B, H, W, C).
    fn on_card(&self, (b, h, w, c): (usize, usize, usize, usize)) -> Result<PoolSize> {
        let output = self.output_size((h, w))?;
        let Self { kernel, stride, .. } = *self;
        Ok(PoolSize { batch: b, input: (h, w), output, channels: c, kernel, stride })
    }
}

/// What [`MaxPool2d::forward_argmax`] gives, both (B, C, H', W').
#[derive(Debug, Clone)]
pub struct Pooled {
    /// The maxima, f32.
    pub output: Tensor,
    /// Where in its window each of them was found, u8 or u32.
    pub argmax: Tensor,
}

/// `x` (B, H, W, C) → `y` (B, H', W', C).
struct Forward {
    pool: MaxPool2d,
    relu: bool,
}

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        let size = self.pool.on_card(l.shape().dims4()?)?;
        let shape = Shape::from((size.batch, size.output.0, size.output.1, size.channels));
        Ok((cuda::max_pool(&size, x, l, self.relu)?.0, shape))
    }

    fn cpu_fwd(&self, x: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let kernel = Kernel::new(self.pool, l.shape().dims4()?)?;
        let x = values::<f32>("max-pool", x, l)?;
        produce(kernel.output_shape(), |y| {
            kernel.maxima(x, self.relu, y);
            Ok(())
        })
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = if self.relu { rectified(y, dy)? } else { dy.contiguous()? };
        self.pool.backward(&nchw(x)?, &nchw(&dy)?).and_then(|dx| nhwc(&dx)).map(Some)
    }
}

/// `x` (B, H, W, C) → `y` (B, H', W', C), and `argmax`, of the same shape, through this struct: an
/// operation gives back one storage.
struct ForwardArgmax {
    pool: MaxPool2d,
    relu: bool,
    rectified: bool,
    argmax: OnceCell<Storage>,
}

impl ForwardArgmax {
    fn run<P: Place>(
        &self,
        kernel: &Kernel,
        x: &[f32],
        storage: fn(Vec<P>) -> CpuStorage,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = kernel.output_shape();
        // SAFETY: `maxima_and_places` writes all of it.
        let mut places = unsafe { unwritten::<P>(shape.elem_count())? };
        let result = produce(shape, |y| {
            kernel.maxima_and_places(x, self.relu, self.rectified, y, &mut places);
            Ok(())
        });
        _ = self.argmax.set(Storage::Cpu(storage(places)));
        result
    }
}

impl CustomOp1 for ForwardArgmax {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        let size = self.pool.on_card(l.shape().dims4()?)?;
        let shape = Shape::from((size.batch, size.output.0, size.output.1, size.channels));
        let (y, places) = cuda::max_pool(&size, x, l, self.relu || self.rectified)?;
        _ = self.argmax.set(Storage::Cuda(places));
        Ok((y, shape))
    }

    fn cpu_fwd(&self, x: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let kernel = Kernel::new(self.pool, l.shape().dims4()?)?;
        let x = values::<f32>("max-pool", x, l)?;
        match self.pool.place_type() {
            DType::U8 => self.run(&kernel, x, CpuStorage::U8),
            _ => self.run(&kernel, x, CpuStorage::U32),
        }
    }
}

/// `argmax`, `dy` (B, H', W', C) → `dx` (B, H, W, C).
struct Backward {
    pool: MaxPool2d,
    size: (usize, usize),
}

impl CustomOp2 for Backward {
    fn name(&self) -> &'static str {
        "max-pool-backward"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        argmax: &CudaStorage,
        l: &Layout,
        dy: &CudaStorage,
        dy_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let ((b, _, _, c), (h, w)) = (l.shape().dims4()?, self.size);
        let size = self.pool.on_card((b, h, w, c))?;
        let dx = cuda::max_pool_backward(&size, (argmax, l), (dy, dy_l))?;
        Ok((dx, Shape::from((b, h, w, c))))
    }

    fn cpu_fwd(
        &self,
        argmax: &CpuStorage,
        l: &Layout,
        dy: &CpuStorage,
        dy_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (b, _, _, c) = l.shape().dims4()?;
        let kernel = Kernel::new(self.pool, (b, self.size.0, self.size.1, c))?;
        let dy = values::<f32>("max-pool", dy, dy_l)?;
        produce((b, self.size.0, self.size.1, c), |dx| {
            match self.pool.place_type() {
                DType::U8 => kernel.gradient(values::<u8>("max-pool", argmax, l)?, dy, dx),
                _ => kernel.gradient(values::<u32>("max-pool", argmax, l)?, dy, dx),
            }
            Ok(())
        })
    }
}
