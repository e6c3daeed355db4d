//! What both response norms share: a scale for each element, computed image by image.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{Result, Tensor};
use rayon::prelude::*;

use crate::check::{check_shape, dims};
use crate::cuda::launch::MapSize;
use crate::layout::{nchw, nhwc};
use crate::op::{self, Apply, Input, Op, produce};
use crate::ops::fusion::InputGrad;

/// The constants of a response norm.
pub(crate) trait ResponseNorm: Copy + Send + Sync + 'static {
    const NAME: &'static str;

    /// The loops over one image.
    type Kernel: ImageKernel;

    /// Refuses constants that have no meaning, or do not fit `channels`.
    fn check(&self, channels: usize) -> Result<()>;

    fn kernel(&self, size: MapSize) -> Self::Kernel;

    /// `x → y`.
    #[cfg(feature = "cuda")]
    fn cuda(&self, size: MapSize, x: &Input<'_, CudaStorage>) -> Result<op::CudaOutputs>;

    /// `(x, dy) → dx`.
    #[cfg(feature = "cuda")]
    fn cuda_backward(
        &self,
        size: MapSize,
        inputs: [&Input<'_, CudaStorage>; 2],
        through_relu: bool,
    ) -> Result<op::CudaOutputs>;
}

/// A norm of images (H, W, C) on the CPU.
pub(crate) trait ImageKernel: Sync {
    fn forward(&self, x: &[f32], y: &mut [f32]);

    /// With `through_relu`, `dx` is 0 where `x` is not above 0.
    fn backward(&self, x: &[f32], dy: &[f32], through_relu: bool, dx: &mut [f32]);
}

/// `x` `(B, C, H, W)` to `y` of the same shape; candle can differentiate it.
pub(super) fn forward(norm: impl ResponseNorm, x: &Tensor) -> Result<Tensor> {
    nchw(&Forward::new(norm, x)?.apply([&nhwc(x)?])?)
}

/// `x` and `dy` `(B, C, H, W)` to `dx`; `None` with [`InputGrad::Skip`].
pub(super) fn backward<N: ResponseNorm>(
    norm: N,
    x: &Tensor,
    dy: &Tensor,
    input: InputGrad,
) -> Result<Option<Tensor>> {
    let op = Backward::new(norm, x, input)?;
    check_shape(N::NAME, "the gradient", dy, x.dims())?;
    if input == InputGrad::Skip {
        return Ok(None);
    }
    nchw(&op.run_one([&nhwc(x)?, &nhwc(dy)?])?).map(Some)
}

/// Checks the input and the constants.
fn check<N: ResponseNorm>(norm: N, x: &Tensor) -> Result<()> {
    norm.check(dims::<4>(N::NAME, "the input", x)?[1])
}

fn map_size<S>(x: &Input<'_, S>) -> Result<MapSize> {
    let (_, height, width, channels) = x.shape().dims4()?;
    Ok(MapSize { height, width, channels })
}

/// `x → y`, both (B, H, W, C).
pub(crate) struct Forward<N> {
    pub(crate) norm: N,
}

impl<N: ResponseNorm> Forward<N> {
    /// For the input `x` `(B, C, H, W)`.
    pub(crate) fn new(norm: N, x: &Tensor) -> Result<Self> {
        check(norm, x)?;
        Ok(Self { norm })
    }
}

impl<N: ResponseNorm> Op<1> for Forward<N> {
    const NAME: &'static str = N::NAME;

    fn cpu(&self, [x]: op::CpuInputs<'_, 1>) -> Result<op::CpuOutputs> {
        let (size, values) = (map_size(&x)?, x.values::<f32>()?);
        let kernel = self.norm.kernel(size);
        produce(x.shape(), |y| {
            let images = y.par_chunks_mut(size.elements()).zip(values.par_chunks(size.elements()));
            images.for_each(|(y, x)| kernel.forward(x, y));
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: op::CudaInputs<'_, 1>) -> Result<op::CudaOutputs> {
        self.norm.cuda(map_size(&x)?, &x)
    }

    fn gradients(&self, [x]: [&Tensor; 1], _: &Tensor, dy: &Tensor) -> Result<op::Grads<1>> {
        Backward { norm: self.norm, through_relu: false }.run_one([x, dy]).map(|dx| [Some(dx)])
    }
}

/// `(x, dy) → dx`, all (B, H, W, C).
pub(crate) struct Backward<N> {
    pub(crate) norm: N,
    /// Whether `dx` is 0 where `x` is not above 0.
    pub(crate) through_relu: bool,
}

impl<N: ResponseNorm> Backward<N> {
    /// For the input `x` `(B, C, H, W)`.
    pub(crate) fn new(norm: N, x: &Tensor, input: InputGrad) -> Result<Self> {
        check(norm, x)?;
        Ok(Self { norm, through_relu: input.through_relu() })
    }
}

impl<N: ResponseNorm> Op<2> for Backward<N> {
    const NAME: &'static str = N::NAME;

    fn cpu(&self, [x, dy]: op::CpuInputs<'_, 2>) -> Result<op::CpuOutputs> {
        let size = map_size(&x)?;
        let (kernel, image) = (self.norm.kernel(size), size.elements());
        let (shape, x, dy) = (x.shape(), x.values::<f32>()?, dy.values::<f32>()?);
        produce(shape, |dx| {
            let inputs = x.par_chunks(image).zip(dy.par_chunks(image));
            let images = dx.par_chunks_mut(image).zip(inputs);
            images.for_each(|(dx, (x, dy))| kernel.backward(x, dy, self.through_relu, dx));
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x, dy]: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
        self.norm.cuda_backward(map_size(&x)?, [&x, &dy], self.through_relu)
    }
}
