//! Tensors from one device to another, and which way they go.

use super::route::Route;
use candle_core::{Device, Result, Tensor};

#[cfg(feature = "cuda")]
use crate::layout::{in_logical_order, in_memory_order};

/// Lets every one of `devices` write into the memory of the others, where the hardware can, and says how tensors get
/// from one to another: of several routes the longest.
///
/// # Errors
///
/// What the driver refuses.
pub fn connect(devices: &[Device]) -> Result<Route> {
    let mut longest = Route::Same;
    for (index, from) in devices.iter().enumerate() {
        for to in devices.iter().take(index) {
            longest = longest.max(route(from, to)?).max(route(to, from)?);
        }
    }
    Ok(longest)
}

fn route(from: &Device, to: &Device) -> Result<Route> {
    match (from, to) {
        _ if from.same_device(to) => Ok(Route::Same),
        #[cfg(feature = "cuda")]
        (Device::Cuda(from), Device::Cuda(to)) => super::peer::reach(from, to),
        _ => Ok(Route::Host),
    }
}

/// `x` on the device `to`: itself if it is there already, sharing its memory, else a copy that whatever uses it on `to`
/// waits for. Between cards nothing waits here: the copy is put behind what the device of `x` has to do.
///
/// # Errors
///
/// Between cards other types than f32 and bf16; no memory on `to`; what the driver refuses.
pub fn send(x: &Tensor, to: &Device) -> Result<Tensor> {
    let mut sent = send_all(&[(x, to)])?;
    Ok(sent.remove(0))
}

/// Each tensor as [`send`] brings it to its device. All are on their way before any device waits for one, so that two
/// cards send to each other at the same time.
///
/// # Errors
///
/// Those of [`send`].
pub fn send_all(moves: &[(&Tensor, &Device)]) -> Result<Vec<Tensor>> {
    let one = |(x, to): &(&Tensor, &Device)| match (x.device(), *to) {
        (from, to) if from.same_device(to) => Ok(Some((*x).clone())),
        #[cfg(feature = "cuda")]
        (Device::Cuda(_), Device::Cuda(_)) => Ok(None),
        (_, to) => x.to_device(to).map(Some),
    };
    let sent = moves.iter().map(one).collect::<Result<Vec<_>>>()?;
    #[cfg(feature = "cuda")]
    let sent = between_cards(moves, sent)?;
    Ok(sent.into_iter().flatten().collect())
}

/// Fills the gaps in `sent`.
#[cfg(feature = "cuda")]
fn between_cards(
    moves: &[(&Tensor, &Device)],
    sent: Vec<Option<Tensor>>,
) -> Result<Vec<Option<Tensor>>> {
    let mut across = Vec::new();
    for ((x, to), _) in moves.iter().zip(&sent).filter(|(_, sent)| sent.is_none()) {
        across.push((in_memory_order(x)?, to.as_cuda_device()?));
    }
    let mut across = super::peer::send_all(&across)?.into_iter();
    let fill = |sent: Option<Tensor>| match sent {
        Some(sent) => Ok(Some(sent)),
        None => across.next().as_ref().map(in_logical_order).transpose(),
    };
    sent.into_iter().map(fill).collect()
}
