//! The dense layer on GPUs: three matmuls, the bias and the ReLU.

use candle_core::{CudaStorage, Result, Shape};

use crate::cuda::cublaslt::{self, Matmul};
use crate::cuda::gpu::{Gpu, same};
use crate::cuda::launch::Storage;
use crate::op::{Input, Outputs};
use crate::ops::activation::function::Activation;
use crate::ops::activation::launch::activation_backward;
use crate::ops::bias::cuda::column_sums;
use crate::ops::bias::launch::add_bias;
use crate::ops::fusion::Epilogue;

/// `x` (B, I) and `w` (O, I), both f32 or both bf16, and `bias` (O) f32 to `y` (B, O) with its
/// epilogue.
pub(super) fn forward(
    [x, w, bias]: [Input<'_, CudaStorage>; 3],
    epilogue: Epilogue,
) -> Result<Outputs<CudaStorage>> {
    let ((batch, inputs), (outputs, _)) = (x.dims2()?, w.dims2()?);
    let gpu = Gpu::of(x.storage);
    let (x, w) = (gpu.read(&x)?, gpu.read(&w)?);
    let (bias, _until) = gpu.read_as::<f32>(&bias)?;
    let storage = same("the weight", x.storage, w.storage)?;
    let relu = epilogue == Epilogue::Relu;
    // cuBLASLt takes a bias only in the dtype of the result. A bf16 result gets its f32 bias,
    // unrounded, from our kernel.
    let fused = match (storage, relu) {
        (Storage::Bf16, _) => cublaslt::Epilogue::None,
        (Storage::F32, false) => cublaslt::Epilogue::Bias,
        (Storage::F32, true) => cublaslt::Epilogue::BiasRelu,
    };
    let transposed = [true, false];
    let matmul = Matmul { m: outputs, n: batch, k: inputs, transposed, storage, epilogue: fused };
    let mut y = gpu.uninit(storage, batch * outputs)?;
    {
        let y = y.writing(&gpu);
        let fused_bias = (fused != cublaslt::Epilogue::None).then_some(bias);
        cublaslt::matmul(&gpu, &matmul, [w.span, x.span, y.span], fused_bias)?;
        if fused_bias.is_none() {
            gpu.run(&add_bias(storage, y.span, bias, relu)?)?;
        }
    }
    Ok((y.finish(&gpu), Shape::from((batch, outputs))).into())
}

/// `dy` (B, O) and `w` (O, I) to `dx` (B, I); through a ReLU, 0 where `x` is not above 0.
pub(super) fn input_gradient(
    [dy, w, x]: [Input<'_, CudaStorage>; 3],
    through_relu: bool,
) -> Result<Outputs<CudaStorage>> {
    let ((batch, outputs), (_, inputs)) = (dy.dims2()?, w.dims2()?);
    let gpu = Gpu::of(dy.storage);
    let (dy, w) = (gpu.read(&dy)?, gpu.read(&w)?);
    let storage = same("the weight", dy.storage, w.storage)?;
    let (transposed, epilogue) = ([false, false], cublaslt::Epilogue::None);
    let matmul = Matmul { m: inputs, n: batch, k: outputs, transposed, storage, epilogue };
    let mut dx = gpu.uninit(storage, batch * inputs)?;
    {
        let dx = dx.writing(&gpu);
        cublaslt::matmul(&gpu, &matmul, [w.span, dy.span, dx.span], None)?;
        if through_relu {
            let x = gpu.read(&x)?;
            same("the input", storage, x.storage)?;
            gpu.run(&activation_backward(
                Activation::Relu,
                storage,
                [x.span, dx.span, dx.span],
                1.0,
            )?)?;
        }
    }
    Ok((dx.finish(&gpu), Shape::from((batch, inputs))).into())
}

/// `x` (B, I) and `dy` (B, O) to `dw` (O, I), of the same storage, and `db` (O), f32.
pub(super) fn weight_gradient(
    x: &Input<'_, CudaStorage>,
    dy: &Input<'_, CudaStorage>,
) -> Result<Outputs<CudaStorage>> {
    let ((batch, inputs), (_, outputs)) = (x.dims2()?, dy.dims2()?);
    let gpu = Gpu::of(x.storage);
    let (x, dy) = (gpu.read(x)?, gpu.read(dy)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let (transposed, epilogue) = ([false, true], cublaslt::Epilogue::None);
    let matmul = Matmul { m: inputs, n: outputs, k: batch, transposed, storage, epilogue };
    let mut dw = gpu.uninit(storage, outputs * inputs)?;
    {
        let dw = dw.writing(&gpu);
        cublaslt::matmul(&gpu, &matmul, [x.span, dy.span, dw.span], None)?;
    }
    let db = column_sums(&gpu, &dy, outputs)?;
    Ok(Outputs::from((dw.finish(&gpu), Shape::from((outputs, inputs)))).and(db))
}
