//! The dense layer on GPUs: three matmuls, the bias and the ReLU.

use candle_core::{DType, Result};

use crate::cuda::cublaslt::{self, Matmul};
use crate::cuda::gpu::{Gpu, same};
use crate::cuda::launch::Storage;
use crate::op;
use crate::ops::activation::launch::zero_where_not_positive;
use crate::ops::bias::cuda::column_sums;
use crate::ops::bias::launch::add_bias;
use crate::ops::fusion::Epilogue;

/// `x` (B, I) and `w` (O, I), both f32 or both bf16, and `bias` (O) f32 to `y` (B, O) with its
/// epilogue.
pub(super) fn forward(
    [x, w, bias]: op::CudaInputs<'_, 3>,
    epilogue: Epilogue,
) -> Result<op::CudaOutputs> {
    let ((n, k), (m, _), gpu) = (x.shape().dims2()?, w.shape().dims2()?, Gpu::of(x.storage));
    let (x, w, bias) = (gpu.read(&x)?, gpu.read(&w)?, gpu.read_as(DType::F32, &bias)?);
    let storage = same("the weight", x.storage, w.storage)?;
    let relu = epilogue == Epilogue::Relu;
    // cuBLASLt takes a bias only in the dtype of the result. A bf16 result gets its f32 bias,
    // unrounded, from our kernel.
    let fused = match (storage, relu) {
        (Storage::Bf16, _) => cublaslt::Epilogue::None,
        (Storage::F32, false) => cublaslt::Epilogue::Bias,
        (Storage::F32, true) => cublaslt::Epilogue::BiasRelu,
    };
    let matmul = Matmul { m, n, k, transposed: [true, false], storage, epilogue: fused };
    gpu.produce(storage, (n, m), |y| {
        let fused_bias = (fused != cublaslt::Epilogue::None).then_some(bias);
        cublaslt::matmul(&gpu, &matmul, [w.span, x.span, y], fused_bias)?;
        match fused_bias {
            Some(_) => Ok(()),
            None => gpu.run(&add_bias(storage, y, bias, relu)?),
        }
    })
}

/// `dy` (B, O) and `w` (O, I) to `dx` (B, I); through a ReLU, 0 where `x` is not above 0.
pub(super) fn input_gradient(
    [dy, w, x]: op::CudaInputs<'_, 3>,
    through_relu: bool,
) -> Result<op::CudaOutputs> {
    let ((n, k), (_, m), gpu) = (dy.shape().dims2()?, w.shape().dims2()?, Gpu::of(dy.storage));
    let (dy, w, x) = (gpu.read(&dy)?, gpu.read(&w)?, gpu.read(&x)?);
    let storage = same("the weight", dy.storage, w.storage)?;
    let (transposed, epilogue) = ([false, false], cublaslt::Epilogue::None);
    let matmul = Matmul { m, n, k, transposed, storage, epilogue };
    gpu.produce(storage, (n, m), |dx| {
        cublaslt::matmul(&gpu, &matmul, [w.span, dy.span, dx], None)?;
        if through_relu {
            same("the input", storage, x.storage)?;
            gpu.run(&zero_where_not_positive(storage, x.span, dx)?)?;
        }
        Ok(())
    })
}

/// `x` (B, I) and `dy` (B, O) to `dw` (O, I), of the same storage, and `db` (O), f32.
pub(super) fn weight_gradient([x, dy]: op::CudaInputs<'_, 2>) -> Result<op::CudaOutputs> {
    let ((k, m), (_, n), gpu) = (x.shape().dims2()?, dy.shape().dims2()?, Gpu::of(x.storage));
    let (x, dy) = (gpu.read(&x)?, gpu.read(&dy)?);
    let storage = same("the gradient", x.storage, dy.storage)?;
    let (transposed, epilogue) = ([false, true], cublaslt::Epilogue::None);
    let matmul = Matmul { m, n, k, transposed, storage, epilogue };
    let dw = gpu.produce(storage, (n, m), |dw| {
        cublaslt::matmul(&gpu, &matmul, [x.span, dy.span, dw], None)
    })?;
    Ok(dw.and(column_sums(&gpu, &dy, n, 1)?))
}
