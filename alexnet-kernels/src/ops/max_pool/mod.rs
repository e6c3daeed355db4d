//! Max-pooling with any kernel and stride, such as the paper's overlapping one (3 by 3, stride 2).
//!
//! ```text
//!  y[h,w] = max x[h·stride + i, w·stride + j]         0 ≤ i, j < kernel, inside the map
//!  a[h,w] = i·kernel + j of the first maximum
//! dx[h,w] = Σ dy of the windows whose a is (h, w)
//! H' = ⌊(H − kernel) / stride⌋ + 1,  or ⌈ ⌉ with `ceil`
//! ```
//!
//! Shapes: `x`, `dx` are `(B, C, H, W)`; `y`, `dy` and the argmax `a` are `(B, C, H', W')`; f32,
//! `a` u8 or, for kernels of 16 and more, u32. The largest value of that type is the argmax of a
//! maximum that passes no gradient on.
//! Units: `kernel` and `stride` count pixels.
//! Errors: rank other than 4, dtype other than f32, no elements, kernel or stride 0, kernel larger
//! than the map, `dy` of another shape than `y`.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.4; `ceil` is what the authors' program does.
//! Deviations: of equal maxima the first in scan order takes the whole gradient, as in PyTorch and
//! Caffe; in the authors' program each takes it. With `ceil` and stride > kernel, a last window
//! that would lie outside the map altogether is left out. NaN counts as larger than any number, so
//! that a diverged run is seen.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;
pub(crate) mod towers;

use candle_core::{CpuStorage, DType, Module, Result, Tensor, WithDType, bail};

use self::cpu::{Argmax, Maxima};
use self::launch::PoolSize;
use self::towers::Towers;
use crate::check::{check_shape, dims};
use crate::cpu::scratch::uninit;
use crate::layout::{nchw, nhwc};
use crate::op::{self, Apply, Op, produce};
use crate::ops::activation::through;
use crate::ops::fusion::{Epilogue, InputGrad};
use crate::ops::pooling::Windows;

/// Max-pooling; window and stride are the same in both directions.
///
/// ```
/// use alexnet_kernels::MaxPool2d;
/// use candle_core::{Device, Module, Tensor};
///
/// let x = Tensor::arange(0f32, 25.0, &Device::Cpu)?.reshape((1, 1, 5, 5))?;
/// let y = MaxPool2d::new(3, 2).forward(&x)?; // windows overlap by a row and a column
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [12.0, 14.0, 22.0, 24.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaxPool2d {
    /// Side of the window, in pixels.
    pub kernel: usize,
    /// Distance between windows, in pixels; larger than `kernel` leaves pixels out.
    pub stride: usize,
    /// Whether a last window may hang over the edge, where it sees only the pixels there are.
    pub ceil: bool,
    /// How the maps of towers lie in what is read and written.
    pub towers: Towers,
}

impl MaxPool2d {
    /// Windows of `kernel` pixels a side, `stride` pixels apart, none of which hangs over the edge.
    pub const fn new(kernel: usize, stride: usize) -> Self {
        Self { kernel, stride, ceil: false, towers: Towers::TOGETHER }
    }

    /// Sets whether a last window may hang over the edge.
    pub const fn ceil(self, ceil: bool) -> Self {
        Self { ceil, ..self }
    }

    /// Sets how the maps of towers lie.
    pub const fn towers(self, towers: Towers) -> Self {
        Self { towers, ..self }
    }

    /// Height and width of the output for a map of `input` height and width.
    ///
    /// # Errors
    ///
    /// Kernel or stride 0, kernel larger than the map.
    pub fn output_size(&self, input: (usize, usize)) -> Result<(usize, usize)> {
        let Self { kernel, stride, ceil, .. } = *self;
        Windows { kernel, stride, ceil }.count("max-pool", input)
    }

    /// `x` `(B, C, H, W)` to `y` `(B, C, H', W')` with its epilogue; candle can differentiate it.
    ///
    /// # Errors
    ///
    /// See the head of this file: shapes, dtypes and windows that have no meaning.
    pub fn forward_fused(&self, x: &Tensor, epilogue: Epilogue) -> Result<Tensor> {
        let op = Forward { size: self.size_for(x)?, epilogue };
        nchw(&op.apply([&nhwc(x)?])?)
    }

    /// [`forward_fused`](Self::forward_fused) with the argmax, which [`backward`](Self::backward)
    /// needs instead of `x`. `input` is the gradient that `backward` is to give. With
    /// [`Epilogue::Relu`] and with [`InputGrad::ThroughRelu`] a window without a value above 0 gets
    /// an argmax that passes no gradient on.
    ///
    /// # Errors
    ///
    /// Those of [`forward_fused`](Self::forward_fused).
    pub fn forward_with_argmax(
        &self,
        x: &Tensor,
        epilogue: Epilogue,
        input: InputGrad,
    ) -> Result<Pooled> {
        let op = ForwardArgmax::new(self, x, epilogue, input.through_relu())?;
        let (output, argmax) = op.run_two([&nhwc(x)?])?;
        Ok(Pooled { output: nchw(&output)?, argmax: nchw(&argmax)? })
    }

    /// The gradient with respect to the input `(B, C, H, W)`, whose height and width are `size`,
    /// given the argmax and `dy`, the gradient with respect to `y`, both `(B, C, H', W')`.
    ///
    /// # Errors
    ///
    /// Other ranks or dtypes, shapes that do not fit.
    pub fn backward(&self, argmax: &Tensor, dy: &Tensor, size: (usize, usize)) -> Result<Tensor> {
        nchw(&Backward::new(self, argmax, dy, size)?.run_one([&nhwc(argmax)?, &nhwc(dy)?])?)
    }

    /// All sizes for an input `(B, C, H, W)`.
    fn size_for(&self, x: &Tensor) -> Result<PoolSize> {
        let [batch, channels, h, w] = dims("max-pool", "the input", x)?;
        self.size(self.towers.of_maps(self.towers.input_apart, [batch, channels])?, (h, w))
    }

    fn size(&self, [batch, channels]: [usize; 2], input: (usize, usize)) -> Result<PoolSize> {
        let (output, Self { kernel, stride, towers, .. }) = (self.output_size(input)?, *self);
        if towers.count == 0 || !channels.is_multiple_of(towers.count) {
            bail!("max-pool: {channels} channels do not divide into {} towers", towers.count)
        }
        Ok(PoolSize { batch, input, output, channels, kernel, stride, towers })
    }
}

impl Module for MaxPool2d {
    /// `x` `(B, C, H, W)` to `y` `(B, C, H', W')`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_fused(x, Epilogue::None)
    }
}

/// The results of [`MaxPool2d::forward_with_argmax`], both `(B, C, H', W')`.
#[derive(Debug, Clone)]
pub struct Pooled {
    /// The maxima, f32.
    pub output: Tensor,
    /// Where in its window each of them is: row · kernel + column, u8 or u32.
    pub argmax: Tensor,
}

/// `x` (B, H, W, C) → `y` (B, H', W', C).
struct Forward {
    size: PoolSize,
    epilogue: Epilogue,
}

impl Op<1> for Forward {
    const NAME: &'static str = "max-pool";

    fn cpu(&self, [x]: op::CpuInputs<'_, 1>) -> Result<op::CpuOutputs> {
        let how = Maxima { epilogue: self.epilogue, through_relu: false };
        let op = ForwardArgmax { size: self.size, how };
        let y = op.maxima(x.values()?, &mut vec![(); self.size.outputs()])?;
        Ok(op.output(y))
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: op::CudaInputs<'_, 1>) -> Result<op::CudaOutputs> {
        cuda::max_pool(&self.size, &x, self.epilogue == Epilogue::Relu)
    }

    fn gradients(&self, [x]: [&Tensor; 1], y: &Tensor, dy: &Tensor) -> Result<op::Grads<1>> {
        let (size, how) = (self.size, Maxima { epilogue: Epilogue::None, through_relu: false });
        let (_, argmax) = ForwardArgmax { size, how }.run_two([x])?;
        let dy = through(self.epilogue, y, dy)?;
        Backward { size }.run_one([&argmax, &dy]).map(|dx| [Some(dx)])
    }
}

/// `x` (B, H, W, C) → `y` and `argmax`, both (B, H', W', C).
pub(crate) struct ForwardArgmax {
    pub(crate) size: PoolSize,
    pub(crate) how: Maxima,
}

impl ForwardArgmax {
    /// For the input `x` `(B, C, H, W)`. `through_relu`: there is a ReLU before the pool.
    pub(crate) fn new(
        pool: &MaxPool2d,
        x: &Tensor,
        epilogue: Epilogue,
        through_relu: bool,
    ) -> Result<Self> {
        let through_relu = through_relu || epilogue == Epilogue::Relu;
        Ok(Self { size: pool.size_for(x)?, how: Maxima { epilogue, through_relu } })
    }

    /// `y`, as the input lies; `argmax` too is written so.
    fn maxima<A: Argmax>(&self, x: &[f32], argmax: &mut [A]) -> Result<Vec<f32>> {
        // SAFETY: `maxima` writes all of it.
        let mut y = unsafe { uninit::<f32>(self.size.outputs())? };
        self.size.as_input().maxima(x, self.how, &mut y, argmax);
        Ok(y)
    }

    fn run_cpu<A: Argmax + WithDType>(
        &self,
        x: &[f32],
        storage: fn(Vec<A>) -> CpuStorage,
    ) -> Result<op::CpuOutputs> {
        // SAFETY: `maxima` writes all of it.
        let mut argmax = unsafe { uninit::<A>(self.size.outputs())? };
        let y = self.maxima(x, &mut argmax)?;
        let argmax = storage(self.size.towers.to_output(self.size.channels, argmax));
        Ok(self.output(y).and((argmax, self.size.output_shape())))
    }

    /// `y`, as the input lies, as the output.
    fn output(&self, y: Vec<f32>) -> op::CpuOutputs {
        let y = CpuStorage::F32(self.size.towers.to_output(self.size.channels, y));
        (y, self.size.output_shape()).into()
    }
}

impl Op<1> for ForwardArgmax {
    const NAME: &'static str = "max-pool";

    fn cpu(&self, [x]: op::CpuInputs<'_, 1>) -> Result<op::CpuOutputs> {
        match self.size.argmax_dtype() {
            DType::U8 => self.run_cpu(x.values()?, CpuStorage::U8),
            _ => self.run_cpu(x.values()?, CpuStorage::U32),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: op::CudaInputs<'_, 1>) -> Result<op::CudaOutputs> {
        cuda::max_pool(&self.size, &x, self.how.through_relu)
    }
}

/// `argmax`, `dy` (B, H', W', C) → `dx` (B, H, W, C).
pub(crate) struct Backward {
    pub(crate) size: PoolSize,
}

impl Backward {
    /// For an input whose height and width are `input`, and the argmax and `dy`, both
    /// `(B, C, H', W')`.
    pub(crate) fn new(
        pool: &MaxPool2d,
        argmax: &Tensor,
        dy: &Tensor,
        input: (usize, usize),
    ) -> Result<Self> {
        let [batch, channels, ..] = dims::<4>("max-pool", "the gradient", dy)?;
        let towers = pool.towers;
        let size = pool.size(towers.of_maps(towers.output_apart, [batch, channels])?, input)?;
        let (out_h, out_w) = size.output;
        check_shape("max-pool", "the gradient", dy, &[batch, channels, out_h, out_w])?;
        let expected = size.argmax_dtype();
        if argmax.dtype() != expected || argmax.dims() != dy.dims() {
            let (dtype, dims) = (argmax.dtype(), argmax.dims());
            bail!("max-pool: argmax must be {expected:?} {:?}, got {dtype:?} {dims:?}", dy.dims())
        }
        Ok(Self { size })
    }

    fn run_cpu<A: Argmax>(&self, argmax: &[A], dy: &[f32], dx: &mut [f32]) {
        let (size, towers) = (&self.size, self.size.towers);
        if towers.input_apart == towers.output_apart {
            return size.as_input().gradient(argmax, dy, dx);
        }
        let argmax = towers.to_input(size.channels, argmax);
        size.as_input().gradient(&argmax, &towers.to_input(size.channels, dy), dx);
    }
}

impl Op<2> for Backward {
    const NAME: &'static str = "max-pool-backward";

    fn cpu(&self, [argmax, dy]: op::CpuInputs<'_, 2>) -> Result<op::CpuOutputs> {
        let dy = dy.values()?;
        produce(self.size.input_shape(), |dx| {
            match self.size.argmax_dtype() {
                DType::U8 => self.run_cpu(argmax.values::<u8>()?, dy, dx),
                _ => self.run_cpu(argmax.values::<u32>()?, dy, dx),
            }
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
        cuda::max_pool_backward(&self.size, inputs)
    }
}
