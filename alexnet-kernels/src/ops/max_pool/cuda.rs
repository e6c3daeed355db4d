//! Max-pooling on GPUs.

use candle_core::{CudaStorage, Result};

use super::launch::{self, PoolSize};
use crate::cuda::gpu::Gpu;
use crate::op::{Input, Outputs};

/// `x` to `y` and the places of its maxima, bytes or 32-bit words as [`PoolSize::place_bytes`] says. With
/// `rectify`, a maximum of 0 or less becomes 0 and has no place.
pub(super) fn max_pool(
    size: &PoolSize,
    x: &Input<'_, CudaStorage>,
    rectify: bool,
) -> Result<Outputs<CudaStorage>> {
    let gpu = Gpu::of(x.storage);
    let x = gpu.read(x)?;
    let mut y = gpu.uninit(x.storage, size.outputs())?;
    let run =
        |y, places| gpu.run(&launch::max_pool(x.storage, size, [x.span, y, places], rectify)?);
    let places = if size.place_bytes() == 1 {
        let mut places = gpu.uninit_as::<u8>(size.outputs())?;
        run(y.writing(&gpu).span, gpu.write(&mut places).span)?;
        CudaStorage::wrap_cuda_slice(places, gpu.device.clone())
    } else {
        let mut places = gpu.uninit_as::<u32>(size.outputs())?;
        run(y.writing(&gpu).span, gpu.write(&mut places).span)?;
        CudaStorage::wrap_cuda_slice(places, gpu.device.clone())
    };
    let shape = size.output_shape();
    Ok(Outputs::two((y.finish(&gpu), shape.clone()), (places, shape)))
}

/// `(places, dy) → dx`.
pub(super) fn max_pool_backward(
    size: &PoolSize,
    places: &Input<'_, CudaStorage>,
    dy: &Input<'_, CudaStorage>,
) -> Result<Outputs<CudaStorage>> {
    let gpu = Gpu::of(dy.storage);
    let dy = gpu.read(dy)?;
    let (places, _until) = if size.place_bytes() == 1 {
        gpu.read_as::<u8>(places)?
    } else {
        gpu.read_as::<u32>(places)?
    };
    gpu.produce(dy.storage, size.input_shape(), |dx| {
        Ok(vec![launch::max_pool_backward(dy.storage, size, [places, dy.span, dx])?])
    })
}
