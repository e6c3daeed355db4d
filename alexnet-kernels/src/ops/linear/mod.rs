//! The dense layer.
//!
//! ```text
//!  y = x · wᵀ + b
//! dx = dy · w          dw = dyᵀ · x          db[o] = Σ dy[i,o]
//! ```
//!
//! Shapes: `x`, `dx` `(B, I)`; `w`, `dw` `(O, I)`; `b`, `db` `(O)`; `y`, `dy` `(B, O)`; f32.
//! Units: none.
//! Errors: other ranks or dtypes, no elements, sizes that do not fit.
//! Source: Krizhevsky, Sutskever, Hinton 2012, §3.5.
//!
//! On the CPU the matmuls are the transposed ones, `yᵀ = w · xᵀ` and `dxᵀ = wᵀ · dyᵀ`. The weights
//! are by far the largest of the matrices: this way the `gemm` crate reads each once, in place, and
//! only the small activations are transposed.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod reference;

use candle_core::{CpuStorage, Module, Result, Shape, Tensor, bail};

use crate::check::{check_shape, dims};
use crate::cpu::elementwise::{sum_rows, zero_where_not_positive};
use crate::cpu::gemm::{Matrix, gemm_parallel, transpose};
use crate::cpu::scratch::{Scratch, uninit};
use crate::op::{self, Apply, Input, Op, produce};
use crate::ops::activation::function::relu;
use crate::ops::activation::through;
use crate::ops::bias::bias_or_zeros;
use crate::ops::fusion::{Epilogue, InputGrad, LayerGrads};

/// A dense layer with its weights `(O, I)` and its bias `(O)`.
///
/// ```
/// use alexnet_kernels::Linear;
/// use candle_core::{Device, Module, Tensor};
///
/// let weight = Tensor::new(&[[1f32, 2.0], [3.0, 4.0], [5.0, 6.0]], &Device::Cpu)?;
/// let layer = Linear::new(weight, Tensor::new(&[0f32, 0.0, 1.0], &Device::Cpu)?)?;
/// let y = layer.forward(&Tensor::new(&[[1f32, 10.0]], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec2::<f32>()?, [[21.0, 43.0, 66.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor, // (O, I)
    bias: Tensor,   // (O)
}

impl Linear {
    /// A layer of weights `(O, I)` and a bias `(O)`.
    ///
    /// # Errors
    ///
    /// Other ranks or dtypes, no elements, sizes that do not fit.
    pub fn new(weight: Tensor, bias: Tensor) -> Result<Self> {
        let [outputs, _] = dims("linear", "the weight", &weight)?;
        check_shape("linear", "the bias", &bias, &[outputs])?;
        Ok(Self { weight, bias })
    }

    /// `x` `(B, I)` to `y` `(B, O)` with its epilogue; candle can differentiate it.
    ///
    /// # Errors
    ///
    /// Another rank or dtype, no elements, another number of features than the weights take.
    pub fn forward_fused(&self, x: &Tensor, epilogue: Epilogue) -> Result<Tensor> {
        self.check(x)?;
        let inputs = [&x.contiguous()?, &on_device(&self.weight)?, &self.bias.contiguous()?];
        Forward { epilogue }.apply(inputs)
    }

    /// The gradients, given `x` `(B, I)` and `dy` `(B, O)`, the gradient with respect to the
    /// output, or with a ReLU as epilogue with respect to the ReLU's input: the next layer gives
    /// that with [`InputGrad::ThroughRelu`].
    ///
    /// # Errors
    ///
    /// Those of [`forward_fused`](Self::forward_fused), and `dy` of another shape than `y`.
    pub fn backward(&self, x: &Tensor, dy: &Tensor, input: InputGrad) -> Result<LayerGrads> {
        let (batch, outputs) = self.check(x)?;
        check_shape("linear", "the gradient", dy, &[batch, outputs])?;
        backward(&x.contiguous()?, &on_device(&self.weight)?, &dy.contiguous()?, input)
    }

    /// B and O.
    fn check(&self, x: &Tensor) -> Result<(usize, usize)> {
        let [batch, features] = dims("linear", "the input", x)?;
        let (outputs, inputs) = self.weight.dims2()?;
        if features != inputs {
            bail!("linear: the input has {features} features, the weight takes {inputs}")
        }
        Ok((batch, outputs))
    }
}

impl Module for Linear {
    /// `x` `(B, I)` to `y` `(B, O)`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_fused(x, Epilogue::None)
    }
}

/// `x` `(B, I)`, `weight` `(O, I)` and `bias` `(O)` to `y` `(B, O)`; candle can differentiate it.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let x = Tensor::new(&[[1f32, 2.0]], &Device::Cpu)?;
/// let weight = Tensor::new(&[[3f32, 4.0]], &Device::Cpu)?;
/// assert_eq!(alexnet_kernels::linear(&x, &weight, None)?.to_vec2::<f32>()?, [[11.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
///
/// Other ranks or dtypes, no elements, sizes that do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    Linear::new(weight.clone(), bias_or_zeros(bias, weight)?)?.forward(x)
}

fn backward(x: &Tensor, w: &Tensor, dy: &Tensor, input: InputGrad) -> Result<LayerGrads> {
    let input = match input {
        InputGrad::Skip => None,
        _ => Some(InputGradient { through_relu: input.through_relu() }.run_one([dy, w, x])?),
    };
    let (weight, bias) = WeightGrad.run_two([x, dy])?;
    Ok(LayerGrads { input, weight, bias })
}

/// The weights as matmuls take them: on the CPU with any strides, on a GPU row-major.
fn on_device(w: &Tensor) -> Result<Tensor> {
    if w.device().is_cpu() { Ok(w.clone()) } else { w.contiguous() }
}

/// An input of rank 2 with any strides as a matrix.
fn matrix<'a>(x: &Input<'a, CpuStorage>) -> Result<Matrix<'a>> {
    let (dims, &[row, column]) = (x.shape().dims2()?, x.layout.stride()) else {
        bail!("linear: expected 2 dimensions, got {:?}", x.shape())
    };
    Ok(Matrix::new(&x.storage.as_slice::<f32>()?[x.layout.start_offset()..], dims, (row, column)))
}

/// `xᵀ`, row-major.
fn transposed(x: &[f32], rows: usize, columns: usize) -> Result<Scratch> {
    // SAFETY: the transpose writes all of it.
    let mut y = unsafe { Scratch::uninit(x.len())? };
    transpose(Matrix::row_major(x, rows, columns), &mut y, |x, _| x);
    Ok(y)
}

/// `f` of each element of `x · wᵀ` and its column, where `x` is row-major and `w` is (O, I).
fn times(
    x: &[f32],
    (w, out, inputs): (Matrix<'_>, usize, usize),
    y: &mut [f32],
    f: impl Fn(f32, usize) -> f32 + Sync,
) -> Result<()> {
    let batch = x.len() / inputs;
    let x = transposed(x, batch, inputs)?; // (I, B)
    // SAFETY: the matmul writes all of it.
    let mut product = unsafe { Scratch::uninit(out * batch)? }; // (O, B)
    gemm_parallel(&mut product, w, Matrix::row_major(&x, inputs, batch));
    transpose(Matrix::row_major(&product, out, batch), y, f);
    Ok(())
}

/// `(x, w, bias) → y`.
struct Forward {
    epilogue: Epilogue,
}

impl Op<3> for Forward {
    const NAME: &'static str = "linear";

    fn cpu(&self, [x, w, bias]: op::CpuInputs<'_, 3>) -> Result<op::CpuOutputs> {
        let ((batch, inputs), (out, _)) = (x.shape().dims2()?, w.shape().dims2()?);
        let (x, w, bias) = (x.values()?, (matrix(&w)?, out, inputs), bias.values::<f32>()?);
        produce((batch, out), |y| match self.epilogue {
            Epilogue::Relu => times(x, w, y, |y, o| relu(y + bias[o])),
            Epilogue::None => times(x, w, y, |y, o| y + bias[o]),
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 3>) -> Result<op::CudaOutputs> {
        cuda::forward(inputs, self.epilogue)
    }

    fn gradients(&self, [x, w, _]: [&Tensor; 3], y: &Tensor, dy: &Tensor) -> Result<op::Grads<3>> {
        let grads = backward(x, w, &through(self.epilogue, y, dy)?, InputGrad::Plain)?;
        Ok([grads.input, Some(grads.weight), Some(grads.bias)])
    }
}

/// `(dy, w, x) → dx`.
struct InputGradient {
    /// Whether `dx` is 0 where `x` is not above 0. Only then is `x` read.
    through_relu: bool,
}

impl Op<3> for InputGradient {
    const NAME: &'static str = "linear-input-gradient";

    fn cpu(&self, [dy, w, x]: op::CpuInputs<'_, 3>) -> Result<op::CpuOutputs> {
        let ((batch, out), (_, inputs)) = (dy.shape().dims2()?, w.shape().dims2()?);
        let (dy, w) = (dy.values()?, (matrix(&w)?.transposed(), inputs, out));
        produce((batch, inputs), |dx| {
            times(dy, w, dx, |dx, _| dx)?;
            if self.through_relu {
                zero_where_not_positive(x.values()?, dx);
            }
            Ok(())
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 3>) -> Result<op::CudaOutputs> {
        cuda::input_gradient(inputs, self.through_relu)
    }
}

/// `(x, dy) → dw` (O, I) and `db` (O).
struct WeightGrad;

impl Op<2> for WeightGrad {
    const NAME: &'static str = "linear-weight-gradient";

    fn cpu(&self, [x, dy]: op::CpuInputs<'_, 2>) -> Result<op::CpuOutputs> {
        let ((batch, inputs), (_, out)) = (x.shape().dims2()?, dy.shape().dims2()?);
        let (x, dy) = (x.values()?, dy.values()?);
        // SAFETY: `sum_rows` writes all of it.
        let mut db = unsafe { uninit::<f32>(out)? };
        sum_rows(dy, &mut db);
        let dw = produce((out, inputs), |dw| {
            let dy = transposed(dy, batch, out)?; // (O, B)
            let dy = Matrix::row_major(&dy, out, batch);
            gemm_parallel(dw, dy, Matrix::row_major(x, batch, inputs));
            Ok(())
        })?;
        Ok(dw.and((CpuStorage::F32(db), Shape::from(out))))
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, inputs: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
        cuda::weight_gradient(inputs)
    }
}
