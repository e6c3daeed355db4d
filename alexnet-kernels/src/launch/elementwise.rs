//! Launches of ReLU, dropout and multiplication by a number.

use candle_core::{Result, bail};

use super::{Launch, Span, Storage, width};
use crate::philox::halves;
use crate::{DropoutKey, DropoutRows};

/// One thread for each vector of buffers of one size.
fn vectors(storage: Storage, op: &str, vector: usize, spans: &[Span]) -> Result<Launch> {
    let elements = spans[0].length as usize;
    for span in spans {
        span.check(op, elements)?;
    }
    let sized: Vec<_> = spans.iter().map(|&span| (span, storage.bytes())).collect();
    let vector = width(vector, elements, &sized);
    let kernel = format!("{op}_{}_v{vector}", storage.name());
    Launch::each("relu", kernel, spans, elements / vector)
}

/// `y = max(x, 0)`.
///
/// # Errors
///
/// Buffers of different sizes, or of more elements than the kernels count.
pub fn relu(storage: Storage, [x, y]: [Span; 2]) -> Result<Launch> {
    vectors(storage, "relu_forward", storage.vector(), &[x, y])
}

/// `dx = dy · factor` where `y > 0`, else 0. `dx` may be `dy`.
///
/// With `y` the output of a ReLU this is its gradient; with `y` the output of a dropout behind it and the dropout's
/// factor, the gradient of both; with `y` the input of a layer, it masks what flows back to a ReLU before that layer.
///
/// # Errors
///
/// As [`relu`].
pub fn relu_backward(storage: Storage, [y, dy, dx]: [Span; 3], factor: f32) -> Result<Launch> {
    let launch = vectors(storage, "relu_backward", storage.vector(), &[y, dy, dx])?;
    Ok(launch.floats(&[factor]))
}

/// `y = factor · x`.
///
/// # Errors
///
/// As [`relu`].
pub fn scaled(storage: Storage, [x, y]: [Span; 2], factor: f32) -> Result<Launch> {
    Ok(vectors(storage, "scaled", storage.vector(), &[x, y])?.floats(&[factor]))
}

/// Dropout in training: each element stays with probability `keep` and is multiplied by `factor`. `maps` is H·W and C
/// where memory is `(B, H, W, C)`, since the mask numbers elements as `(B, C, H, W)`; `None` where they agree. `rows`
/// are those of the logical order.
///
/// # Errors
///
/// As [`relu`].
pub fn dropout(
    storage: Storage,
    [x, y]: [Span; 2],
    (maps, rows): (Option<[usize; 2]>, DropoutRows),
    key: DropoutKey,
    (keep, factor): (f32, f32),
) -> Result<Launch> {
    let elements = x.length as usize;
    y.check("dropout", elements)?;
    let DropoutRows { row, first, whole } = rows;
    if row == 0 || !elements.is_multiple_of(row) {
        bail!("dropout: {elements} elements are no rows of {row}")
    }
    let launch = match maps {
        // With one pixel, or one channel, both orders are the same.
        Some([pixels, channels]) if pixels > 1 && channels > 1 => {
            let kernel = format!("dropout_maps_{}", storage.name());
            let launch = Launch::each("relu", kernel, &[x, y], elements)?;
            launch.sizes(&[pixels, channels, first, whole])?
        }
        _ => {
            // Four neighbours share a counter if every row begins with one.
            let alike = [row, first, whole].iter().all(|n| n.is_multiple_of(4));
            let sized = [x, y].map(|span| (span, storage.bytes()));
            let vector = if alike { width(4, row, &sized) } else { 1 };
            let kernel = format!("dropout_{}_v{vector}", storage.name());
            let launch = Launch::each("relu", kernel, &[x, y], elements / vector)?;
            launch.sizes(&[row / vector, first, whole])?
        }
    };
    let ([seed_low, seed_high], [step_low, step_high]) = (halves(key.seed), halves(key.step));
    let launch = launch.words(&[seed_low, seed_high, key.layer, step_low, step_high]);
    Ok(launch.floats(&[keep, factor]))
}
