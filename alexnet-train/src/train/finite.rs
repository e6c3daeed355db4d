//! Whether numbers are finite: a network that has diverged is told from a good one before it is
//! saved.

use candle_core::{DType, Tensor};

use crate::error::Error;

/// The last step that was done: its epoch, and its number within the epoch, both from 0.
pub(crate) type LastStep = (usize, usize);

/// The first value that is not finite in the little-endian bytes of f32 values.
pub(crate) fn not_finite(bytes: &[u8]) -> Option<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|value| f32::from_le_bytes(*value)).find(|value| !value.is_finite())
}

/// Refuses outputs `(B, classes)` for training images that are not finite.
pub(crate) fn check_outputs(logits: &Tensor, last: LastStep) -> Result<(), Error> {
    let values: Vec<f32> = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    match values.into_iter().find(|value| !value.is_finite()) {
        Some(value) => Err(diverged("an output for a training image", value, last)),
        None => Ok(()),
    }
}

/// The error of `what`, which is `value` after the step `last`.
pub(crate) fn diverged(what: impl Into<String>, value: f32, (epoch, step): LastStep) -> Error {
    Error::Diverged { what: what.into(), value, layer: None, epoch, step }
}
