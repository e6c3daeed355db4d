//! Both response norms and max-pooling, from storage to storage.

use candle_core::{CudaStorage, Layout, Result};

use super::card::Card;
use crate::launch::{self, LrnConstants, MapConstants, MapSize, PoolSize};

/// `x → y`.
pub(crate) fn lrn(constants: &LrnConstants, x: &CudaStorage, l: &Layout) -> Result<CudaStorage> {
    let card = Card::of(x);
    let x = card.read("lrn", x, l)?;
    card.produce(x.storage, l.shape().elem_count(), |y| {
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
    let card = Card::of(x);
    let (x, dy) = (card.read("lrn", x, x_l)?, card.read("lrn", dy, dy_l)?);
    super::conv::same("the gradient", x.storage, dy.storage)?;
    card.produce(x.storage, x_l.shape().elem_count(), |dx| {
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
    let card = Card::of(x);
    let x = card.read("map-norm", x, l)?;
    card.produce(x.storage, l.shape().elem_count(), |y| {
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
    let card = Card::of(x);
    let (x, dy) = (card.read("map-norm", x, x_l)?, card.read("map-norm", dy, dy_l)?);
    super::conv::same("the gradient", x.storage, dy.storage)?;
    let n = x_l.shape().elem_count();
    let (mut scaled, mut share) = (card.fresh_as::<f32>(n)?, card.fresh_as::<f32>(n)?);
    let (scaled, share) = (card.write(&mut scaled), card.write(&mut share));
    let of_shares = [x.span, dy.span, scaled.span, share.span];
    card.run(&launch::map_norm_shares(x.storage, size, constants, of_shares)?)?;
    card.produce(x.storage, n, |dx| {
        let spans = [x.span, scaled.span, share.span, dx];
        Ok(vec![launch::map_norm_backward(x.storage, size, constants, spans, rectified)?])
    })
}

/// `x` to `y` and the places of its maxima, bytes or 32-bit words as [`PoolSize::place_bytes`] says.
pub(crate) fn max_pool(
    size: &PoolSize,
    x: &CudaStorage,
    l: &Layout,
    rectify: bool,
) -> Result<(CudaStorage, CudaStorage)> {
    let card = Card::of(x);
    let x = card.read("max-pool", x, l)?;
    let mut y = card.fresh(x.storage, size.outputs())?;
    let run =
        |y, places| card.run(&launch::max_pool(x.storage, size, [x.span, y, places], rectify)?);
    let places = if size.place_bytes() == 1 {
        let mut places = card.fresh_as::<u8>(size.outputs())?;
        run(y.writing(&card).span, card.write(&mut places).span)?;
        CudaStorage::wrap_cuda_slice(places, card.device.clone())
    } else {
        let mut places = card.fresh_as::<u32>(size.outputs())?;
        run(y.writing(&card).span, card.write(&mut places).span)?;
        CudaStorage::wrap_cuda_slice(places, card.device.clone())
    };
    Ok((y.finish(&card), places))
}

/// `(places, dy) → dx`.
pub(crate) fn max_pool_backward(
    size: &PoolSize,
    (places, places_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
) -> Result<CudaStorage> {
    let card = Card::of(dy);
    let dy = card.read("max-pool", dy, dy_l)?;
    let (places, _until) = if size.place_bytes() == 1 {
        card.read_as::<u8>("max-pool", places, places_l)?
    } else {
        card.read_as::<u32>("max-pool", places, places_l)?
    };
    card.produce(dy.storage, size.inputs(), |dx| {
        Ok(vec![launch::max_pool_backward(dy.storage, size, [places, dy.span, dx])?])
    })
}
