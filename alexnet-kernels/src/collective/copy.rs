//! Copies of tensors on other devices.

use candle_core::{Device, Result, Tensor};

#[cfg(feature = "cuda")]
use super::peer;
#[cfg(feature = "cuda")]
use crate::layout::{in_logical_order, in_memory_order};

/// Each tensor on its device: the tensor itself, sharing its memory, if it is there already, else a
/// copy.
///
/// Between GPUs the host waits for nothing: a copy is queued after the work that was asked of the
/// device of its tensor, and whatever uses the copy is queued after it. All copies are queued
/// before any device waits for one, so two GPUs send to each other at the same time.
///
/// # Errors
///
/// Between GPUs dtypes other than f32 and bf16; no memory on a device; what the driver refuses.
pub fn copy_to_devices(moves: &[(&Tensor, &Device)]) -> Result<Vec<Tensor>> {
    let one = |(x, to): &(&Tensor, &Device)| match (x.device(), *to) {
        (from, to) if from.same_device(to) => Ok(Some((*x).clone())),
        #[cfg(feature = "cuda")]
        (Device::Cuda(_), Device::Cuda(_)) => Ok(None), // the next function copies these together
        (_, to) => x.to_device(to).map(Some),
    };
    let copied = moves.iter().map(one).collect::<Result<Vec<_>>>()?;
    #[cfg(feature = "cuda")]
    let copied = copy_between_gpus(moves, copied)?;
    Ok(copied.into_iter().flatten().collect())
}

/// Makes the copies that are still missing in `copied`.
#[cfg(feature = "cuda")]
fn copy_between_gpus(
    moves: &[(&Tensor, &Device)],
    copied: Vec<Option<Tensor>>,
) -> Result<Vec<Option<Tensor>>> {
    let mut missing = Vec::new();
    for ((x, to), _) in moves.iter().zip(&copied).filter(|(_, copied)| copied.is_none()) {
        missing.push((in_memory_order(x)?, to.as_cuda_device()?));
    }
    let mut made = peer::copy_to_gpus(&missing)?.into_iter();
    let fill = |copied: Option<Tensor>| match copied {
        Some(copied) => Ok(Some(copied)),
        None => made.next().as_ref().map(in_logical_order).transpose(),
    };
    copied.into_iter().map(fill).collect()
}
