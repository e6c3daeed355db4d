//! Activations: functions of each element alone.
//!
//! ```text
//!  y = f(x)              max(x, 0) for the ReLU, tanh(x)
//! dx = dy · f′(x)        the slope as a function of y: [y > 0], 1 − y²
//! ```
//!
//! Shapes: any, all equal; f32. Memory is channels-last for rank 4, row-major for other ranks.
//! Units: none.
//! Errors: dtype other than f32, no elements, `dy` of another shape than `y`.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.1; the ReLU's slope at 0 is the authors'
//! program's.
//! Deviations: NaN stays NaN, so that a diverged run is seen.

pub(crate) mod function;
pub(crate) mod launch;
pub(crate) mod reference;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, Module, Result, Tensor};

use self::function::Activation;
use crate::check::{check_shape, check_values};
#[cfg(feature = "cuda")]
use crate::cuda::gpu::{binary, unary};
use crate::layout::{in_logical_order, in_memory_order};
use crate::op::{Apply, Input, Op, Outputs, produce};
use crate::ops::fusion::Epilogue;

impl Module for Activation {
    /// `x` to `y` of the same shape.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        check_values(self.name(), "the input", x)?;
        in_logical_order(&Forward(*self).apply([&in_memory_order(x)?])?)
    }
}

impl Activation {
    /// The gradient with respect to the input, given the output `y` and `dy`, the gradient with
    /// respect to `y`.
    ///
    /// # Errors
    ///
    /// Those of `forward`, and `dy` of another shape than `y`.
    pub fn backward(self, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
        check_values(self.name(), "the output", y)?;
        check_shape(self.name(), "the gradient", dy, y.dims())?;
        let backward = Backward { activation: self, scale: 1.0 };
        in_logical_order(&backward.run_one([&in_memory_order(y)?, &in_memory_order(dy)?])?)
    }
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
    Backward { activation: Activation::Relu, scale }.run_one([y, dy])
}

/// `x → y`.
struct Forward(Activation);

impl Op<1> for Forward {
    const NAME: &'static str = "activation";

    fn cpu(&self, [x]: [Input<'_, CpuStorage>; 1]) -> Result<Outputs<CpuStorage>> {
        let values = x.values::<f32>()?;
        produce(x.shape(), |y| {
            self.0.apply(values, y);
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [x]: [Input<'_, CudaStorage>; 1]) -> Result<Outputs<CudaStorage>> {
        unary(&x, |storage, spans| launch::activation(self.0, storage, spans))
    }

    fn gradients(&self, _: [&Tensor; 1], y: &Tensor, dy: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let backward = Backward { activation: self.0, scale: 1.0 };
        backward.run_one([y, dy]).map(|dx| [Some(dx)])
    }
}

/// `(y, dy) → dx = scale · dy · f′(x)`.
struct Backward {
    activation: Activation,
    scale: f32,
}

impl Op<2> for Backward {
    const NAME: &'static str = "activation-backward";

    fn cpu(&self, [y, dy]: [Input<'_, CpuStorage>; 2]) -> Result<Outputs<CpuStorage>> {
        let (shape, inputs) = (y.shape(), [y.values::<f32>()?, dy.values::<f32>()?]);
        produce(shape, |dx| {
            self.activation.apply_slope(inputs, dx, self.scale);
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, [y, dy]: [Input<'_, CudaStorage>; 2]) -> Result<Outputs<CudaStorage>> {
        binary([&y, &dy], |storage, spans| {
            launch::activation_backward(self.activation, storage, spans, self.scale)
        })
    }
}
