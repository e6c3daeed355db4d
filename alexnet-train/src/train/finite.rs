//! Whether numbers are finite: a network that has diverged is told from a good one before it is
//! saved.

use candle_core::{DType, Tensor};

use crate::error::Error;

/// The last step that was done: its epoch, and its number within the epoch, both from 0.
pub(crate) type LastStep = (usize, usize);

/// The first value that is not finite.
pub(crate) fn not_finite(values: &[f32]) -> Option<f32> {
    // Without a way out of it, this loop runs on vectors.
    let all_are = values.iter().fold(true, |all, value| all & value.is_finite());
    if all_are { None } else { values.iter().copied().find(|value| !value.is_finite()) }
}

/// Refuses outputs `(B, classes)` for training images that are not finite.
pub(crate) fn check_outputs(logits: &Tensor, last: LastStep) -> Result<(), Error> {
    let values: Vec<f32> = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    match not_finite(&values) {
        Some(value) => Err(diverged("an output for a training image", value, last)),
        None => Ok(()),
    }
}

/// The error of `what`, which is `value` after the step `last`.
pub(crate) fn diverged(what: impl Into<String>, value: f32, (epoch, step): LastStep) -> Error {
    Error::Diverged { what: what.into(), value, layer: None, epoch, step }
}
