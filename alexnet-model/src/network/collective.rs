//! What crosses between the towers of a network: activations before a layer that reads all of them,
//! and the gradient with respect to them. With one tower nothing moves.

use std::ops::Range;

use alexnet_kernels::add;
use candle_core::{Device, Result, Tensor, bail};

/// Which channels belong to a tower, and where it runs.
pub(super) type Place<'a> = (Range<usize>, &'a Device);

/// Each tensor on its device.
pub(super) fn send<'a>(
    moves: impl Iterator<Item = (&'a Tensor, &'a Device)>,
) -> Result<Vec<Tensor>> {
    alexnet_kernels::copy_to_devices(&moves.collect::<Vec<_>>())
}

/// The activations of all towers, side by side, on the device of each.
pub(super) fn all_gather(xs: &[Tensor]) -> Result<Vec<Tensor>> {
    let moves = xs.iter().flat_map(|to| xs.iter().map(|x| (x, to.device())));
    send(moves)?.chunks(xs.len()).map(alexnet_kernels::all_gather).collect()
}

/// The activations of all towers, side by side, on the first device.
pub(super) fn gather(xs: &[Tensor]) -> Result<Tensor> {
    match xs {
        [x] => Ok(x.clone()),
        [first, ..] => alexnet_kernels::all_gather(&send(xs.iter().map(|x| (x, first.device())))?),
        [] => bail!("a network without towers"),
    }
}

/// Of `x`, which is on the first device, each tower's channels on its device.
pub(super) fn scatter(x: Tensor, places: &[Place<'_>]) -> Result<Vec<Tensor>> {
    if places.len() == 1 {
        return Ok(vec![x]);
    }
    let parts = places.iter().map(|(channels, _)| alexnet_kernels::scatter(&x, channels.clone()));
    let parts = parts.collect::<Result<Vec<_>>>()?;
    send(parts.iter().zip(places).map(|(part, (_, device))| (part, *device)))
}

/// Of the sum of `gradients`, one from each tower and each with the channels of all, each tower's
/// channels on its device. The terms are added in the order of the towers.
pub(super) fn reduce_scatter(gradients: Vec<Tensor>, places: &[Place<'_>]) -> Result<Vec<Tensor>> {
    let mut parts = Vec::new();
    for (channels, device) in places {
        for gradient in &gradients {
            parts.push((alexnet_kernels::scatter(gradient, channels.clone())?, *device));
        }
    }
    drop(gradients);
    let mut sent = send(parts.iter().map(|(part, device)| (part, *device)))?.into_iter();
    drop(parts);
    let sum = |_| {
        let mut terms = sent.by_ref().take(places.len());
        let Some(first) = terms.next() else { bail!("a network without towers") };
        terms.try_fold(first, |sum, term| add(sum, &term))
    };
    places.iter().map(sum).collect()
}
