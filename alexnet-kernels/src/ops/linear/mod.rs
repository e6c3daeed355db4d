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
//! The weights are by far the largest of the matrices, so they are never copied: the products
//! are the transposed ones, `yᵀ = w · xᵀ` and `dxᵀ = wᵀ · dyᵀ`, in which `gemm` reads each weight
//! once where it lies, and only the small activations are turned around.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod reference;

use crate::cpu::elementwise::keep_where;
use crate::cpu::gemm::{Matrix, multiply_parallel, transpose};
use crate::cpu::pool::{Lent, lend};
use crate::layout::{check_shape, dims2, produce, values};
use crate::ops::gradients::{InputGradient, LinearGradients, split, sum_rows};
use crate::ops::relu::{rectified, relu};
#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// The dense layer; its sizes are those of its weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear;

impl Linear {
    /// `x` (B, I), `w` (O, I), `bias` (O) to `y` (B, O).
    ///
    /// # Errors
    ///
    /// Other ranks or dtypes, no elements, sizes that do not fit.
    pub fn forward(&self, x: &Tensor, w: &Tensor, bias: &Tensor) -> Result<Tensor> {
        self.apply(x, w, bias, false)
    }

    /// [`Linear::forward`] and [`Relu`](crate::Relu) in one pass. Its gradients are those of both: `dy` goes
    /// through [`Relu::backward`](crate::Relu::backward) before [`Linear::backward`], unless the layer behind
    /// has done that ([`InputGradient::Rectified`]).
    ///
    /// # Errors
    ///
    /// Those of [`Linear::forward`].
    pub fn forward_relu(&self, x: &Tensor, w: &Tensor, bias: &Tensor) -> Result<Tensor> {
        self.apply(x, w, bias, true)
    }

    fn apply(&self, x: &Tensor, w: &Tensor, bias: &Tensor, relu: bool) -> Result<Tensor> {
        let (_, out) = check(x, w)?;
        check_shape("linear", "the bias", bias, &[out])?;
        x.contiguous()?.apply_op3(&on_device(w)?, &bias.contiguous()?, Forward { relu })
    }

    /// The gradients by weights and bias, and by the input (B, I) as `input` says, given that by
    /// `y` (B, O).
    ///
    /// # Errors
    ///
    /// Those of [`Linear::forward`], and `dy` of another shape than `y`.
    pub fn backward(
        &self,
        x: &Tensor,
        w: &Tensor,
        dy: &Tensor,
        input: InputGradient,
    ) -> Result<LinearGradients> {
        let (batch, out) = check(x, w)?;
        check_shape("linear", "the gradient", dy, &[batch, out])?;
        backward(&x.contiguous()?, &on_device(w)?, &dy.contiguous()?, input)
    }
}

/// B and O.
fn check(x: &Tensor, w: &Tensor) -> Result<(usize, usize)> {
    let ((batch, inputs), (out, w_inputs)) =
        (dims2("linear", "the input", x)?, dims2("linear", "the weight", w)?);
    if inputs != w_inputs {
        bail!("linear: the input has {inputs} features, the weight takes {w_inputs}")
    }
    Ok((batch, out))
}

fn backward(x: &Tensor, w: &Tensor, dy: &Tensor, input: InputGradient) -> Result<LinearGradients> {
    let by_input = |rectified| dy.apply_op3_no_bwd(w, x, &ByInput { rectified }).map(Some);
    let input = match input {
        InputGradient::No => None,
        InputGradient::Plain => by_input(false)?,
        InputGradient::Rectified => by_input(true)?,
    };
    #[cfg(feature = "cuda")]
    if x.device().is_cuda() {
        let (weight, bias) = cuda::linear_parameter_gradients(x, dy)?;
        return Ok(LinearGradients { input, weight, bias });
    }
    let (weight, bias) = split(&x.apply_op2_no_bwd(dy, &ParameterGradients)?, w.shape())?;
    Ok(LinearGradients { input, weight, bias })
}

/// Weights as the device takes them: the processor takes any strides, a GPU row-major ones.
fn on_device(w: &Tensor) -> Result<Tensor> {
    if w.device().is_cpu() { Ok(w.clone()) } else { w.contiguous() }
}

/// A rank-2 tensor of any strides as a matrix.
fn matrix<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<Matrix<'a>> {
    let (dims, &[row, column]) = (layout.shape().dims2()?, layout.stride()) else {
        bail!("linear: expected 2 dimensions, got {:?}", layout.shape())
    };
    Ok(Matrix::new(&storage.as_slice::<f32>()?[layout.start_offset()..], dims, (row, column)))
}

/// `xᵀ`, row-major.
fn transposed(x: &[f32], rows: usize, columns: usize) -> Result<Lent> {
    // SAFETY: the transpose writes all of it.
    let mut y = unsafe { lend(x.len())? };
    transpose(Matrix::row_major(x, rows, columns), &mut y, |x, _| x);
    Ok(y)
}

/// `(x, w, bias) → y`.
struct Forward {
    /// Whether the result is rectified.
    relu: bool,
}

impl CustomOp3 for Forward {
    fn name(&self) -> &'static str {
        "linear"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_l: &Layout,
        w: &CudaStorage,
        w_l: &Layout,
        bias: &CudaStorage,
        bias_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let shape = Shape::from((x_l.shape().dims2()?.0, w_l.shape().dims2()?.0));
        let (x, w, bias) = ((x, x_l), (w, w_l), (bias, bias_l));
        Ok((cuda::linear_forward(x, w, bias, self.relu)?, shape))
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
        bias: &CpuStorage,
        bias_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((batch, inputs), (out, _)) = (x_l.shape().dims2()?, w_l.shape().dims2()?);
        let x = values("linear", x, x_l)?;
        let bias = values::<f32>("linear", bias, bias_l)?;
        // SAFETY: the product writes all of it.
        let mut transposed_y = unsafe { lend(out * batch)? }; // (O, B)
        let x = transposed(x, batch, inputs)?; // (I, B)
        let x = Matrix::row_major(&x, inputs, batch);
        multiply_parallel(&mut transposed_y, matrix(w, w_l)?, x);
        produce((batch, out), |y| {
            let transposed_y = Matrix::row_major(&transposed_y, out, batch);
            match self.relu {
                true => transpose(transposed_y, y, |y, o| relu(y + bias[o])),
                false => transpose(transposed_y, y, |y, o| y + bias[o]),
            }
            Ok(())
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = if self.relu { rectified(y, dy)? } else { dy.contiguous()? };
        let gradients = backward(x, w, &dy, InputGradient::Plain)?;
        Ok((gradients.input, Some(gradients.weight), Some(gradients.bias)))
    }
}

/// `(dy, w, x) → dx`.
struct ByInput {
    /// Whether `dx` is 0 where `x` is not above 0. Only then is `x` read.
    rectified: bool,
}

impl CustomOp3 for ByInput {
    fn name(&self) -> &'static str {
        "linear-input-gradient"
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        dy: &CudaStorage,
        dy_l: &Layout,
        w: &CudaStorage,
        w_l: &Layout,
        x: &CudaStorage,
        x_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let rectified = self.rectified.then_some((x, x_l));
        let dx = cuda::linear_input_gradient((dy, dy_l), (w, w_l), rectified)?;
        Ok((dx, x_l.shape().clone()))
    }

    fn cpu_fwd(
        &self,
        dy: &CpuStorage,
        dy_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
        x: &CpuStorage,
        x_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((batch, out), (_, inputs)) = (dy_l.shape().dims2()?, w_l.shape().dims2()?);
        let x = values::<f32>("linear", x, x_l)?;
        let dy = values("linear", dy, dy_l)?;
        let dy = transposed(dy, batch, out)?; // (O, B)
        // SAFETY: the product writes all of it.
        let mut transposed_dx = unsafe { lend(inputs * batch)? }; // (I, B)
        let dy = Matrix::row_major(&dy, out, batch);
        multiply_parallel(&mut transposed_dx, matrix(w, w_l)?.transposed(), dy);
        produce((batch, inputs), |dx| {
            transpose(Matrix::row_major(&transposed_dx, inputs, batch), dx, |dx, _| dx);
            if self.rectified {
                keep_where(x, dx);
            }
            Ok(())
        })
    }
}

/// `(x, dy) → dw (O, I), then db (O)`, in one row.
struct ParameterGradients;

impl CustomOp2 for ParameterGradients {
    fn name(&self) -> &'static str {
        "linear-parameter-gradients"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        dy: &CpuStorage,
        dy_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((batch, inputs), (_, out)) = (x_l.shape().dims2()?, dy_l.shape().dims2()?);
        let (x, dy) = (values("linear", x, x_l)?, values("linear", dy, dy_l)?);
        produce(out * inputs + out, |gradients| {
            let (dw, db) = gradients.split_at_mut(out * inputs);
            let transposed_dy = transposed(dy, batch, out)?; // (O, B)
            let transposed_dy = Matrix::row_major(&transposed_dy, out, batch);
            multiply_parallel(dw, transposed_dy, Matrix::row_major(x, batch, inputs));
            sum_rows(dy, db);
            Ok(())
        })
    }
}
