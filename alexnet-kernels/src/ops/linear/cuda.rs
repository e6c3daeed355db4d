//! The dense layer on GPUs: three matmuls, the bias and the ReLU.

use candle_core::{CpuStorage, CudaStorage, CustomOp2, Layout, Result, Shape, Tensor};

use crate::cuda::cublaslt::{Product, Tail, multiply};
use crate::cuda::gpu::{Gpu, not_here, same};
use crate::cuda::launch::Storage;
use crate::ops::bias::cuda::Bias;
use crate::ops::bias::launch::add_bias;
use crate::ops::relu::launch::relu_backward;

/// The sizes of a dense layer over a batch.
#[derive(Debug, Clone, Copy)]
struct Size {
    batch: usize,
    inputs: usize,
    outputs: usize,
}

/// `x` (B, I) and `w` (O, I), both f32 or both bf16, and `bias` (O) f32 to `y` (B, O); with `relu` through a ReLU.
pub(crate) fn linear_forward(
    (x, x_l): (&CudaStorage, &Layout),
    (w, w_l): (&CudaStorage, &Layout),
    (bias, bias_l): (&CudaStorage, &Layout),
    relu: bool,
) -> Result<CudaStorage> {
    let ((batch, inputs), (outputs, _)) = (x_l.shape().dims2()?, w_l.shape().dims2()?);
    let size = Size { batch, inputs, outputs };
    let gpu = Gpu::of(x);
    let (x, w) = (gpu.read("linear", x, x_l)?, gpu.read("linear", w, w_l)?);
    let (bias, _until) = gpu.read_as::<f32>("linear", bias, bias_l)?;
    let storage = same("the weight", x.storage, w.storage)?;
    // cuBLASLt wants a bias stored as the result is; a bf16 result gets its f32 bias by a kernel of ours, unrounded.
    let tail = match (storage, relu) {
        (Storage::Bf16, _) => Tail::Nothing,
        (Storage::F32, false) => Tail::Bias,
        (Storage::F32, true) => Tail::BiasRelu,
    };
    let product = Product {
        m: size.outputs,
        n: size.batch,
        k: size.inputs,
        transposed: [true, false],
        storage,
        tail,
    };
    let mut y = gpu.fresh(storage, batch * outputs)?;
    {
        let y = y.writing(&gpu);
        let fused = (tail != Tail::Nothing).then_some(bias);
        multiply(&gpu, &product, [w.span, x.span, y.span], fused)?;
        if fused.is_none() {
            gpu.run(&add_bias(storage, y.span, bias, relu)?)?;
        }
    }
    Ok(y.finish(&gpu))
}

/// `dy` (B, O) and `w` (O, I) to the gradient by `x` (B, I); with `rectified`, the input itself, 0 where that is not
/// above 0.
pub(crate) fn linear_input_gradient(
    (dy, dy_l): (&CudaStorage, &Layout),
    (w, w_l): (&CudaStorage, &Layout),
    rectified: Option<(&CudaStorage, &Layout)>,
) -> Result<CudaStorage> {
    let ((batch, outputs), (_, inputs)) = (dy_l.shape().dims2()?, w_l.shape().dims2()?);
    let gpu = Gpu::of(dy);
    let (dy, w) = (gpu.read("linear", dy, dy_l)?, gpu.read("linear", w, w_l)?);
    let storage = same("the weight", dy.storage, w.storage)?;
    let (transposed, tail) = ([false, false], Tail::Nothing);
    let product = Product { m: inputs, n: batch, k: outputs, transposed, storage, tail };
    let mut dx = gpu.fresh(storage, batch * inputs)?;
    {
        let dx = dx.writing(&gpu);
        multiply(&gpu, &product, [w.span, dy.span, dx.span], None)?;
        if let Some((x, x_l)) = rectified {
            let x = gpu.read("linear", x, x_l)?;
            same("the input", storage, x.storage)?;
            gpu.run(&relu_backward(storage, [x.span, dx.span, dx.span], 1.0)?)?;
        }
    }
    Ok(dx.finish(&gpu))
}

/// `x` (B, I) and `dy` (B, O) to the gradient by `w` (O, I), stored as they are.
pub(crate) fn linear_weight_gradient(
    (x, x_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
) -> Result<CudaStorage> {
    let ((batch, inputs), (_, outputs)) = (x_l.shape().dims2()?, dy_l.shape().dims2()?);
    let gpu = Gpu::of(x);
    let (x, dy) = (gpu.read("linear", x, x_l)?, gpu.read("linear", dy, dy_l)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let (transposed, tail) = ([false, true], Tail::Nothing);
    let product = Product { m: inputs, n: outputs, k: batch, transposed, storage, tail };
    let mut dw = gpu.fresh(storage, outputs * inputs)?;
    {
        let dw = dw.writing(&gpu);
        multiply(&gpu, &product, [x.span, dy.span, dw.span], None)?;
    }
    Ok(dw.finish(&gpu))
}

/// `x` (B, I) and `dy` (B, O) to the gradients by weights (O, I) and bias (O), the latter f32.
pub(crate) fn linear_parameter_gradients(x: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor)> {
    let weight = x.apply_op2_no_bwd(dy, &LinearWeight)?;
    Ok((weight, dy.apply_op1_no_bwd(&Bias(dy.dim(1)?))?))
}

struct LinearWeight;

impl CustomOp2 for LinearWeight {
    fn name(&self) -> &'static str {
        "linear-weight-gradient"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        not_here(self.name())
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_l: &Layout,
        dy: &CudaStorage,
        dy_l: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let shape = Shape::from((dy_l.shape().dims2()?.1, x_l.shape().dims2()?.1));
        Ok((linear_weight_gradient((x, x_l), (dy, dy_l))?, shape))
    }
}
