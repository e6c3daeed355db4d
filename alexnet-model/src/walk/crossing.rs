//! What crosses between towers: activations before a layer that reads all of them, and the parts of its gradient.

use alexnet_kernels::{add, join_channels, recycle, send, send_all, take_channels};
use candle_core::{Result, Tensor, bail};

use crate::{Network, Stage};

/// The activations of all towers, `xs`, side by side on the device of each.
pub(super) fn join(xs: &[Tensor]) -> Result<Vec<Tensor>> {
    let moves: Vec<_> = xs.iter().flat_map(|to| xs.iter().map(|x| (x, to.device()))).collect();
    send_all(&moves)?.chunks(xs.len()).map(join_channels).collect()
}

/// What the last layers of all towers gave, on the first device.
pub(super) fn logits(xs: &[Tensor]) -> Result<Tensor> {
    match xs {
        [x] => Ok(x.clone()),
        [first, ..] => {
            let moves: Vec<_> = xs.iter().map(|x| (x, first.device())).collect();
            join_channels(&send_all(&moves)?)
        }
        [] => bail!("a network without towers"),
    }
}

/// Of the gradient by the logits, on the first device, each tower's columns on its own.
pub(super) fn part_by_tower(towers: &[Network], gradient: &Tensor) -> Result<Vec<Tensor>> {
    let part = |tower: &Network| {
        let Some(layer) = tower.layers().iter().last() else { bail!("a tower without layers") };
        let part = take_channels(gradient, layer.share.range())?;
        send(&part, tower.device())
    };
    towers.iter().map(part).collect()
}

/// Of the gradients by the activations of all towers, one from each, the sum of what each tower's own get.
pub(super) fn part_sums(
    towers: &[Network],
    stage: Stage,
    gradients: Vec<Tensor>,
) -> Result<Vec<Tensor>> {
    let mut parts = Vec::new();
    for tower in towers {
        let Some(before) = stage.layer.checked_sub(1).and_then(|l| tower.layers().iter().nth(l))
        else {
            bail!("nothing crosses before the first layer")
        };
        for gradient in &gradients {
            parts.push((take_channels(gradient, before.share.range())?, tower.device()));
        }
    }
    gradients.into_iter().for_each(recycle);
    let moves: Vec<_> = parts.iter().map(|(part, to)| (part, *to)).collect();
    let sent = send_all(&moves)?;
    let sum = |parts: &[Tensor]| {
        let [first, rest @ ..] = parts else { bail!("a network without towers") };
        let mut sum = first.clone();
        for part in rest {
            sum = add(sum, part)?;
            recycle(part.clone());
        }
        Ok(sum)
    };
    sent.chunks(towers.len()).map(sum).collect()
}
