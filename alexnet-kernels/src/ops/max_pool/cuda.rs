//! Max-pooling on GPUs.

use candle_core::{CudaStorage, Layout, Result};

use super::launch::{self, PoolSize};
use crate::cuda::gpu::Gpu;

/// `x` to `y` and the places of its maxima, bytes or 32-bit words as [`PoolSize::place_bytes`] says.
pub(crate) fn max_pool(
    size: &PoolSize,
    x: &CudaStorage,
    l: &Layout,
    rectify: bool,
) -> Result<(CudaStorage, CudaStorage)> {
    let gpu = Gpu::of(x);
    let x = gpu.read("max-pool", x, l)?;
    let mut y = gpu.fresh(x.storage, size.outputs())?;
    let run =
        |y, places| gpu.run(&launch::max_pool(x.storage, size, [x.span, y, places], rectify)?);
    let places = if size.place_bytes() == 1 {
        let mut places = gpu.fresh_as::<u8>(size.outputs())?;
        run(y.writing(&gpu).span, gpu.write(&mut places).span)?;
        CudaStorage::wrap_cuda_slice(places, gpu.device.clone())
    } else {
        let mut places = gpu.fresh_as::<u32>(size.outputs())?;
        run(y.writing(&gpu).span, gpu.write(&mut places).span)?;
        CudaStorage::wrap_cuda_slice(places, gpu.device.clone())
    };
    Ok((y.finish(&gpu), places))
}

/// `(places, dy) → dx`.
pub(crate) fn max_pool_backward(
    size: &PoolSize,
    (places, places_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
) -> Result<CudaStorage> {
    let gpu = Gpu::of(dy);
    let dy = gpu.read("max-pool", dy, dy_l)?;
    let (places, _until) = if size.place_bytes() == 1 {
        gpu.read_as::<u8>("max-pool", places, places_l)?
    } else {
        gpu.read_as::<u32>("max-pool", places, places_l)?
    };
    gpu.produce(dy.storage, size.inputs(), |dx| {
        Ok(vec![launch::max_pool_backward(dy.storage, size, [places, dy.span, dx])?])
    })
}
