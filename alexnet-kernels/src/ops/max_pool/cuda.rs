//! Max-pooling on GPUs.

use candle_core::{CudaStorage, Result};

use super::launch::{self, PoolSize};
use crate::cuda::gpu::Gpu;
use crate::op::{Input, Outputs};

/// `x` to `y` and its argmax, bytes or 32-bit words as [`PoolSize::argmax_bytes`] says. With
/// `relu`, a maximum of 0 or less becomes 0 and passes no gradient on.
pub(super) fn max_pool(
    size: &PoolSize,
    x: &Input<'_, CudaStorage>,
    relu: bool,
) -> Result<Outputs<CudaStorage>> {
    let gpu = Gpu::of(x.storage);
    let x = gpu.read(x)?;
    let mut y = gpu.uninit(x.storage, size.outputs())?;
    let run = |y, argmax| gpu.run(&launch::max_pool(x.storage, size, [x.span, y, argmax], relu)?);
    let argmax = if size.argmax_bytes() == 1 {
        let mut argmax = gpu.uninit_as::<u8>(size.outputs())?;
        run(y.writing(&gpu).span, gpu.write(&mut argmax).span)?;
        CudaStorage::wrap_cuda_slice(argmax, gpu.device.clone())
    } else {
        let mut argmax = gpu.uninit_as::<u32>(size.outputs())?;
        run(y.writing(&gpu).span, gpu.write(&mut argmax).span)?;
        CudaStorage::wrap_cuda_slice(argmax, gpu.device.clone())
    };
    let shape = size.output_shape();
    Ok(Outputs::from((y.finish(&gpu), shape.clone())).and((argmax, shape)))
}

/// `(argmax, dy) → dx`.
pub(super) fn max_pool_backward(
    size: &PoolSize,
    argmax: &Input<'_, CudaStorage>,
    dy: &Input<'_, CudaStorage>,
) -> Result<Outputs<CudaStorage>> {
    let gpu = Gpu::of(dy.storage);
    let dy = gpu.read(dy)?;
    let (argmax, _until) = if size.argmax_bytes() == 1 {
        gpu.read_as::<u8>(argmax)?
    } else {
        gpu.read_as::<u32>(argmax)?
    };
    gpu.produce(dy.storage, size.input_shape(), |dx| {
        gpu.run(&launch::max_pool_backward(dy.storage, size, [argmax, dy.span, dx])?)
    })
}
