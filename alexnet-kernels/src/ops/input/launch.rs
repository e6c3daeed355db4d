//! Launches of the input layer.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{Result, bail};

use crate::cuda::launch::{Launch, Span, Storage, width};

/// Pixels `(B, H, W, 3)` u8, a mean of 3 or `floats` = H·W·3 floats and shifts `(B, 3)` to `y`.
pub fn input(
    storage: Storage,
    [pixels, mean, shift, y]: [Span; 4],
    floats: usize,
    scale: [f32; 3],
) -> Result<Launch> {
    if mean.length != 3 {
        mean.check("input: the mean", floats)?;
    }
    let launch = over_pixels(storage, "input", &[pixels, mean, shift, y], floats)?;
    Ok(launch.sizes(&[floats, mean.length as usize])?.floats(&scale))
}

/// Crops of `height` by `width_of_crop` with the mean of whole images, `mean_width` pixels wide,
/// and for each crop a window (top, left, flip) that lies inside them.
pub fn input_aligned(
    storage: Storage,
    [pixels, mean, windows, shift, y]: [Span; 5],
    (height, width_of_crop): (usize, usize),
    mean_width: usize,
    scale: [f32; 3],
) -> Result<Launch> {
    let floats = height * width_of_crop * 3;
    let spans = [pixels, mean, windows, shift, y];
    let launch = over_pixels(storage, "input_aligned", &spans, floats)?;
    windows.check("input: the windows", pixels.length as usize / floats * 3)?;
    Ok(launch.sizes(&[height, width_of_crop, mean_width])?.floats(&scale))
}

/// The launch over all pixels; `spans` begin with the pixels and end with the colour shifts and
/// `y`.
fn over_pixels(storage: Storage, op: &str, spans: &[Span], floats: usize) -> Result<Launch> {
    let &[pixels, .., shift, y] = spans else { bail!("input: buffers are missing") };
    let elements = pixels.length as usize;
    if floats == 0 || !elements.is_multiple_of(floats) {
        bail!("input: {elements} bytes are no images of {floats}")
    }
    shift.check("input: the colour shift", elements / floats * 3)?;
    y.check("input: the output", elements)?;
    let vector = width(4, floats, &[(pixels, 1), (y, storage.bytes())]);
    let kernel = format!("{op}_{}_v{vector}", storage.name());
    Launch::each("input", kernel, spans, elements / vector)
}
