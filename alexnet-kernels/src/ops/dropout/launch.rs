//! Launches of dropout.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{Result, bail};

use super::key::DropoutKey;
use super::slice::Rows;
use crate::cuda::launch::{Launch, Span, Storage, elementwise, width};
use crate::random::philox::halves;

/// `y = factor · x`.
pub fn scaled(storage: Storage, [x, y]: [Span; 2], factor: f32) -> Result<Launch> {
    Ok(elementwise("dropout", storage, "scaled", storage.vector(), &[x, y])?.floats(&[factor]))
}

/// Dropout in training: each element stays with probability `keep` and is multiplied by `factor`.
/// The mask numbers elements in logical order, in which `rows` are rows. For memory `(B, H, W, C)`
/// that order is `(B, C, H, W)`, and `maps` is H·W and C; for memory in logical order it is `None`.
pub fn dropout(
    storage: Storage,
    [x, y]: [Span; 2],
    (maps, rows): (Option<[usize; 2]>, Rows),
    key: DropoutKey,
    (keep, factor): (f32, f32),
) -> Result<Launch> {
    let elements = x.length as usize;
    y.check("dropout", elements)?;
    let Rows { row, first, whole } = rows;
    if row == 0 || !elements.is_multiple_of(row) {
        bail!("dropout: {elements} elements are no rows of {row}")
    }
    let launch = match maps {
        // With one pixel or one channel both orders are the same.
        Some([pixels, channels]) if pixels > 1 && channels > 1 => {
            let kernel = format!("dropout_maps_{}", storage.name());
            let launch = Launch::each("dropout", kernel, &[x, y], elements)?;
            launch.sizes(&[pixels, channels, first, whole])?
        }
        _ => {
            // Four neighbours share a counter if every row begins at the start of one.
            let alike = [row, first, whole].iter().all(|n| n.is_multiple_of(4));
            let sized = [x, y].map(|span| (span, storage.bytes()));
            let vector = if alike { width(4, row, &sized) } else { 1 };
            let kernel = format!("dropout_{}_v{vector}", storage.name());
            let launch = Launch::each("dropout", kernel, &[x, y], elements / vector)?;
            launch.sizes(&[row / vector, first, whole])?
        }
    };
    let ([seed_low, seed_high], [step_low, step_high]) = (halves(key.seed), halves(key.step));
    let launch = launch.words(&[seed_low, seed_high, key.layer, step_low, step_high]);
    Ok(launch.floats(&[keep, factor]))
}
