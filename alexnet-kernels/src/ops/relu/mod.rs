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

#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod launch;
pub(crate) mod reference;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use crate::cpu::elementwise::{map1, map2};
use crate::layout::{
    check_shape, check_values, in_logical_order, in_memory_order, produce, values,
};

/// The rectifier; it has no constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relu;

impl Relu {
    /// `x` to `y` of the same shape.
    ///
    /// # Errors
    ///
    /// Dtype other than f32, no elements.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        check_values("relu", "the input", x)?;
        in_logical_order(&in_memory_order(x)?.apply_op1(Forward)?)
    }

    /// The gradient by the input, given the output `y` and the gradient by it, of one shape.
    ///
    /// # Errors
    ///
    /// Dtype other than f32, no elements, shapes that differ.
    pub fn backward(&self, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
        check_values("relu", "the output", y)?;
        check_shape("relu", "the gradient", dy, y.dims())?;
        in_logical_order(&in_memory_order(y)?.apply_op2_no_bwd(&in_memory_order(dy)?, &Backward)?)
    }
}

/// `max(x, 0)`; NaN stays.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

/// `dy` where `y` is above 0, else 0; both as the operations see them.
pub(crate) fn rectified(y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    y.apply_op2_no_bwd(&dy.contiguous()?, &Backward)
}

/// `x → y`.
struct Forward;

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "relu"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, l: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((cuda::relu(x, l)?, l.shape().clone()))
    }

    fn cpu_fwd(&self, x: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values::<f32>("relu", x, l)?;
        produce(l.shape(), |y| {
            map1(x, y, relu);
            Ok(())
        })
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        rectified(y, dy).map(Some)
    }
}

/// `(y, dy) → dx`.
struct Backward;

impl CustomOp2 for Backward {
    fn name(&self) -> &'static str {
        "relu-backward"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        y: &CudaStorage,
        l: &Layout,
        dy: &CudaStorage,
        dy_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        Ok((cuda::relu_backward((y, l), (dy, dy_l), 1.0)?, l.shape().clone()))
    }

    fn cpu_fwd(
        &self,
        y: &CpuStorage,
        l: &Layout,
        dy: &CpuStorage,
        dy_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (y, dy) = (values::<f32>("relu", y, l)?, values::<f32>("relu", dy, dy_l)?);
        produce(l.shape(), |dx| {
            map2(
                y,
                dy,
                dx,
                #[inline(always)]
                |y, dy| if y > 0.0 { dy } else { 0.0 },
            );
            Ok(())
        })
    }
}
