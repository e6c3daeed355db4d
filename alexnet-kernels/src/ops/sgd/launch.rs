//! The launch of the update.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::Result;

use super::rule::Sgd;
use crate::cuda::launch::{Launch, Span, Storage, width};

/// Updates `state`, n weights and then n velocities, by a gradient of n elements of the given
/// storage; `copy`, if there is one, gets the new weights as bf16. `None` where the rate is 0,
/// because then nothing changes.
pub fn sgd(
    storage: Storage,
    state: Span,
    gradient: Span,
    copy: Option<Span>,
    rule: Sgd,
) -> Result<Option<Launch>> {
    let n = gradient.length as usize;
    state.check("sgd: the state", 2 * n)?;
    if rule.rate == 0.0 {
        return Ok(None);
    }
    let mut sized = vec![(state, 4), (gradient, storage.bytes())];
    let mut spans = vec![state, gradient];
    if let Some(copy) = copy {
        copy.check("sgd: the copy", n)?;
        sized.push((copy, 2));
        spans.push(copy);
    }
    let vector = width(4, n, &sized);
    let op = if copy.is_some() { "sgd_copy" } else { "sgd" };
    let kernel = format!("{op}_{}_v{vector}", storage.name());
    let launch = Launch::each("sgd", kernel, &spans, n / vector)?;
    Ok(Some(launch.floats(&[rule.rate, rule.momentum, rule.decay * rule.rate])))
}
