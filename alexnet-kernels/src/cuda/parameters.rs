//! The gradient of a bias, and the update.

use candle_core::{CudaStorage, Layout, Result};
use half::bf16;

use super::card::Card;
use crate::Sgd;
use crate::launch::{self, ColumnSums, Span, Storage};

/// The sums of the columns of `x`, rows of `channels`: (channels) f32.
pub(crate) fn column_sums(x: &CudaStorage, l: &Layout, channels: usize) -> Result<CudaStorage> {
    let card = Card::of(x);
    let x = card.read("bias gradient", x, l)?;
    let rows = l.shape().elem_count() / channels;
    let plan = ColumnSums::new(x.storage, x.span, (rows, channels))?;
    let scratch = plan.scratch();
    let mut parts = if scratch > 0 { Some(card.fresh_as::<f32>(scratch)?) } else { None };
    let parts = parts.as_mut().map(|parts| card.write(parts));
    let nothing = Span { address: 0, length: 0 };
    let parts_span = parts.as_ref().map_or(nothing, |parts| parts.span);
    card.produce(Storage::F32, channels, |sums| plan.launches(x.span, parts_span, sums))
}

/// Updates `state` (2, n) f32 by `gradient` (n), f32 or bf16; `copy` (n), bf16, gets the new weights, though candle lends
/// it for reading: nothing else in the stream reads it at the same time.
pub(crate) fn sgd(
    rule: Sgd,
    (state, state_l): (&mut CudaStorage, &Layout),
    (gradient, gradient_l): (&CudaStorage, &Layout),
    copy: Option<(&CudaStorage, &Layout)>,
) -> Result<()> {
    let card = Card::of(state);
    let gradient = card.read("sgd", gradient, gradient_l)?;
    let (state, _until) = card.read_as::<f32>("sgd", state, state_l)?;
    let copy = copy.map(|(copy, l)| card.read_as::<bf16>("sgd", copy, l)).transpose()?;
    let copy = copy.as_ref().map(|(span, _until)| *span);
    match launch::sgd(gradient.storage, state, gradient.span, copy, rule)? {
        Some(launch) => card.run(&launch),
        None => Ok(()),
    }
}
