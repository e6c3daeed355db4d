//! Both response norms on GPUs.

use candle_core::{CudaStorage, Layout, Result};

use super::launch::{self, LrnConstants, MapConstants};
use crate::cuda::gpu::{Gpu, same};
use crate::cuda::launch::MapSize;

/// `x → y`.
pub(crate) fn lrn(constants: &LrnConstants, x: &CudaStorage, l: &Layout) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let x = gpu.read("lrn", x, l)?;
    gpu.produce(x.storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::lrn(x.storage, constants, x.span, y)?])
    })
}

/// `(x, dy) → dx`.
pub(crate) fn lrn_backward(
    constants: &LrnConstants,
    (x, x_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
    rectified: bool,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let (x, dy) = (gpu.read("lrn", x, x_l)?, gpu.read("lrn", dy, dy_l)?);
    same("the gradient", x.storage, dy.storage)?;
    gpu.produce(x.storage, x_l.shape().elem_count(), |dx| {
        Ok(vec![launch::lrn_backward(x.storage, constants, [x.span, dy.span, dx], rectified)?])
    })
}

/// `x → y`.
pub(crate) fn map_norm(
    constants: &MapConstants,
    size: MapSize,
    x: &CudaStorage,
    l: &Layout,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let x = gpu.read("map-norm", x, l)?;
    gpu.produce(x.storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::map_norm(x.storage, size, constants, [x.span, y])?])
    })
}

/// `(x, dy) → dx`.
pub(crate) fn map_norm_backward(
    constants: &MapConstants,
    size: MapSize,
    (x, x_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
    rectified: bool,
) -> Result<CudaStorage> {
    let gpu = Gpu::of(x);
    let (x, dy) = (gpu.read("map-norm", x, x_l)?, gpu.read("map-norm", dy, dy_l)?);
    same("the gradient", x.storage, dy.storage)?;
    let n = x_l.shape().elem_count();
    let (mut scaled, mut share) = (gpu.fresh_as::<f32>(n)?, gpu.fresh_as::<f32>(n)?);
    let (scaled, share) = (gpu.write(&mut scaled), gpu.write(&mut share));
    let of_shares = [x.span, dy.span, scaled.span, share.span];
    gpu.run(&launch::map_norm_shares(x.storage, size, constants, of_shares)?)?;
    gpu.produce(x.storage, n, |dx| {
        let spans = [x.span, scaled.span, share.span, dx];
        Ok(vec![launch::map_norm_backward(x.storage, size, constants, spans, rectified)?])
    })
}
