//! Both response norms on GPUs.

use candle_core::{CudaStorage, Result};

use super::launch::{self, LrnConstants, MapConstants};
use crate::cuda::gpu::{Gpu, same};
use crate::cuda::launch::MapSize;
use crate::op::{Input, Outputs};

/// `x → y` across channels.
pub(super) fn lrn(
    constants: &LrnConstants,
    x: &Input<'_, CudaStorage>,
) -> Result<Outputs<CudaStorage>> {
    let gpu = Gpu::of(x.storage);
    let reading = gpu.read(x)?;
    gpu.produce(reading.storage, x.shape(), |y| {
        Ok(vec![launch::lrn(reading.storage, constants, reading.span, y)?])
    })
}

/// `(x, dy) → dx` across channels.
pub(super) fn lrn_backward(
    constants: &LrnConstants,
    [x, dy]: [&Input<'_, CudaStorage>; 2],
    through_relu: bool,
) -> Result<Outputs<CudaStorage>> {
    let (gpu, shape) = (Gpu::of(x.storage), x.shape());
    let (x, dy) = (gpu.read(x)?, gpu.read(dy)?);
    same("the gradient", x.storage, dy.storage)?;
    gpu.produce(x.storage, shape, |dx| {
        let spans = [x.span, dy.span, dx];
        Ok(vec![launch::lrn_backward(x.storage, constants, spans, through_relu)?])
    })
}

/// `x → y` within a map.
pub(super) fn map_norm(
    constants: &MapConstants,
    size: MapSize,
    x: &Input<'_, CudaStorage>,
) -> Result<Outputs<CudaStorage>> {
    let gpu = Gpu::of(x.storage);
    let reading = gpu.read(x)?;
    gpu.produce(reading.storage, x.shape(), |y| {
        Ok(vec![launch::map_norm(reading.storage, size, constants, [reading.span, y])?])
    })
}

/// `(x, dy) → dx` within a map.
pub(super) fn map_norm_backward(
    constants: &MapConstants,
    size: MapSize,
    [x, dy]: [&Input<'_, CudaStorage>; 2],
    through_relu: bool,
) -> Result<Outputs<CudaStorage>> {
    let (gpu, shape) = (Gpu::of(x.storage), x.shape());
    let (x, dy) = (gpu.read(x)?, gpu.read(dy)?);
    same("the gradient", x.storage, dy.storage)?;
    let n = shape.elem_count();
    let (mut scaled, mut share) = (gpu.uninit_as::<f32>(n)?, gpu.uninit_as::<f32>(n)?);
    let (scaled, share) = (gpu.write(&mut scaled), gpu.write(&mut share));
    let of_shares = [x.span, dy.span, scaled.span, share.span];
    gpu.run(&launch::map_norm_shares(x.storage, size, constants, of_shares)?)?;
    gpu.produce(x.storage, shape, |dx| {
        let spans = [x.span, scaled.span, share.span, dx];
        Ok(vec![launch::map_norm_backward(x.storage, size, constants, spans, through_relu)?])
    })
}
