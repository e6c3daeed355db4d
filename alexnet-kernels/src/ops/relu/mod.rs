//! Rectified linear units.
//!
//! ```text
//!  y = max(x, 0)
//! dx = dy where y > 0, else 0
//! ```
//!
//! Shapes: any, all equal; f32. Memory is channels-last for rank 4, row-major for other ranks.
//! Units: none.
//! Errors: dtype other than f32, no elements, `dy` of another shape than `y`.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.1; the gradient at 0 is the authors' program's.
//! Deviations: NaN stays NaN, so that a diverged run is seen.

pub(crate) mod launch;
pub(crate) mod reference;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, Module, Result, Tensor};

use crate::check::{check_shape, check_values};
use crate::cpu::elementwise::{map1, map2};
#[cfg(feature = "cuda")]
use crate::cuda::gpu::{binary, unary};
use crate::layout::{in_logical_order, in_memory_order};
use crate::op::{Apply, Input, Op, Outputs, produce};
use crate::ops::fusion::Epilogue;

/// The ReLU, `max(x, 0)`.
///
/// ```
/// use alexnet_kernels::Relu;
/// use candle_core::{Device, Module, Result, Tensor};
///
/// # fn main() -> Result<()> {
/// let y = Relu.forward(&Tensor::new(&[-1f32, 0.0, 2.0], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec1::<f32>()?, [0.0, 0.0, 2.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relu;

impl Module for Relu {
    /// `x` to `y` of the same shape.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        check_values("relu", "the input", x)?;
        in_logical_order(&Forward.apply([&in_memory_order(x)?])?)
    }
}

impl Relu {
    /// The gradient with respect to the input, given the output `y` and `dy`, the gradient with
    /// respect to `y`.
    ///
    /// # Errors
    ///
    /// Those of `forward`, and `dy` of another shape than `y`.
    pub fn backward(&self, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
        check_values("relu", "the output", y)?;
        check_shape("relu", "the gradient", dy, y.dims())?;
        in_logical_order(&masked(&in_memory_order(y)?, &in_memory_order(dy)?, 1.0)?)
    }
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

/// `dy`, the gradient with respect to `y`, through the epilogue that gave `y`.
pub(crate) fn through(epilogue: Epilogue, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    match epilogue {
        Epilogue::Relu => masked(y, dy, 1.0),
        Epilogue::None => Ok(dy.clone()),
    }
}

/// `scale · dy` where `y` is above 0, else 0; both in the layout that operations take.
pub(crate) fn masked(y: &Tensor, dy: &Tensor, scale: f32) -> Result<Tensor> {
    Masked(scale).run_one([y, dy])
}

/// `x → y`.
struct Forward;

impl Op<1> for Forward {
    const NAME: &'static str = "relu";

    fn cpu(&self, [x]: [Input<'_, CpuStorage>; 1]) -> Result<Outputs<CpuStorage>> {
        let values = x.values::<f32>()?;
        produce(x.shape(), |y| {
            map1(values, y, relu);
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: [Input<'_, CudaStorage>; 1]) -> Result<Outputs<CudaStorage>> {
        unary(&x, launch::relu)
    }

    fn gradients(&self, _: [&Tensor; 1], y: &Tensor, dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        masked(y, dy, 1.0).map(|dx| [Some(dx)])
    }
}

/// `(y, dy) → dx = factor · dy` where `y` is above 0, else 0; the factor is the number.
struct Masked(f32);

impl Op<2> for Masked {
    const NAME: &'static str = "relu-backward";

    fn cpu(&self, [y, dy]: [Input<'_, CpuStorage>; 2]) -> Result<Outputs<CpuStorage>> {
        let (shape, y, dy, scale) = (y.shape(), y.values::<f32>()?, dy.values::<f32>()?, self.0);
        produce(shape, |dx| {
            map2(
                y,
                dy,
                dx,
                #[inline(always)]
                |y, dy| if y > 0.0 { scale * dy } else { 0.0 },
            );
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [y, dy]: [Input<'_, CudaStorage>; 2]) -> Result<Outputs<CudaStorage>> {
        binary([&y, &dy], |storage, spans| launch::relu_backward(storage, spans, self.0))
    }
}
