//! Launches of softmax cross-entropy.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{Result, bail};

use crate::cuda::launch::{Argument, Launch, Span, Storage};

/// Threads per block, as in `loss.cu`.
const THREADS: u32 = 256;

/// A launch of `blocks` blocks that each reduce in shared memory.
fn blocks(kernel: String, blocks: usize, spans: &[Span]) -> Result<Launch> {
    let Ok(blocks) = u32::try_from(blocks) else { bail!("{kernel}: a batch of {blocks}") };
    let arguments = spans.iter().copied().map(Argument::Span).collect();
    Ok(Launch { module: "loss", kernel, grid: [blocks, 1], block: THREADS, arguments })
}

/// Logits `(batch, classes)` and labels `(batch)` u32 to the loss of each row, f32, and, if asked
/// for, the gradient of the mean loss, stored as the logits are; then `results` are `(2, batch)`,
/// the losses and how right each guess is, else the losses alone.
///
/// A label of `classes` or more makes its loss and its row of the gradient NaN.
pub fn softmax(
    storage: Storage,
    [logits, labels, results]: [Span; 3],
    gradient: Option<Span>,
    (batch, classes): (usize, usize),
) -> Result<Launch> {
    logits.check("softmax: the logits", batch * classes)?;
    labels.check("softmax: the labels", batch)?;
    results.check("softmax: the losses", if gradient.is_some() { 2 * batch } else { batch })?;
    if let Some(gradient) = gradient {
        gradient.check("softmax: the gradient", batch * classes)?;
    }
    // Without a gradient the kernel does not touch the fourth buffer.
    let spans = [logits, labels, results, gradient.unwrap_or(Span { address: 0, length: 0 })];
    let launch = blocks(format!("softmax_{}", storage.name()), batch, &spans)?;
    Ok(launch.sizes(&[batch, classes])?.words(&[u32::from(gradient.is_some())]))
}

/// Losses `(batch)` f32 to their mean.
pub fn mean_loss([losses, mean]: [Span; 2], batch: usize) -> Result<Launch> {
    losses.check("softmax: the losses", batch)?;
    mean.check("softmax: the mean", 1)?;
    blocks("mean_loss".to_owned(), 1, &[losses, mean])?.sizes(&[batch])
}
