//! One training step by itself, for measuring and trying: what the loop does with a batch, without
//! what it does for the run.

use alexnet_kernels::{Sgd, cross_entropy_with_guesses};
use alexnet_model::{Mode, Network};
use candle_core::{Result, Tensor};

use crate::recipe::rates::frozen_layers;
use crate::train::optimizer::Optimizer;

/// Updates the network with a batch: images `(B, 3, h, w)` on each device, and labels `(B)`. Gives
/// the logits `(B, classes)`, and the losses and what is right, `(2, B)`, all of before the update.
pub(crate) fn train_step(
    network: &Network,
    optimizer: &Optimizer,
    rates: &[Sgd],
    images: &[Tensor],
    labels: &Tensor,
    mode: Mode,
) -> Result<(Tensor, Tensor)> {
    let tape = network.forward_tape(images, mode, frozen_layers(rates, network))?;
    let logits = tape.logits().clone();
    let (results, gradient) = cross_entropy_with_guesses(&logits, labels)?;
    network.backward(tape, gradient, &mut |parameter, gradient| {
        optimizer.update(parameter, gradient, rates)
    })?;
    Ok((logits, results))
}
