//! Launches of the first layer.

use candle_core::{Result, bail};

use crate::cuda::launch::{Launch, Span, Storage, width};

/// Pixels `(B, H, W, 3)` u8, a mean of 3 or `floats` = H·W·3 floats and shifts `(B, 3)` to `y`.
///
/// # Errors
///
/// Buffers of other sizes, or of more elements than the kernels count.
pub fn input(
    storage: Storage,
    [pixels, mean, shift, y]: [Span; 4],
    floats: usize,
    scale: [f32; 3],
) -> Result<Launch> {
    let batch = images(pixels, floats)?;
    if mean.length != 3 {
        mean.check("input: the mean", floats)?;
    }
    shift.check("input: the colour shift", batch * 3)?;
    y.check("input: the output", batch * floats)?;
    let vector = width(4, floats, &[(pixels, 1), (y, storage.bytes())]);
    let kernel = format!("input_{}_v{vector}", storage.name());
    let threads = batch * floats / vector;
    let launch = Launch::each("input", kernel, &[pixels, mean, shift, y], threads)?;
    Ok(launch.sizes(&[floats, mean.length as usize])?.floats(&scale))
}

/// Crops of `height` by `width` with the mean of whole images, `mean_width` pixels wide, and a window (top, left,
/// flip) for each crop that lies inside them.
///
/// # Errors
///
/// As [`input`].
pub fn input_aligned(
    storage: Storage,
    [pixels, mean, windows, shift, y]: [Span; 5],
    (height, width_of_crop): (usize, usize),
    mean_width: usize,
    scale: [f32; 3],
) -> Result<Launch> {
    let floats = height * width_of_crop * 3;
    let batch = images(pixels, floats)?;
    windows.check("input: the windows", batch * 3)?;
    shift.check("input: the colour shift", batch * 3)?;
    y.check("input: the output", batch * floats)?;
    let vector = width(4, floats, &[(pixels, 1), (y, storage.bytes())]);
    let kernel = format!("input_aligned_{}_v{vector}", storage.name());
    let threads = batch * floats / vector;
    let launch = Launch::each("input", kernel, &[pixels, mean, windows, shift, y], threads)?;
    Ok(launch.sizes(&[height, width_of_crop, mean_width])?.floats(&scale))
}

fn images(pixels: Span, floats: usize) -> Result<usize> {
    let bytes = pixels.length as usize;
    if floats == 0 || !bytes.is_multiple_of(floats) {
        bail!("input: {bytes} bytes are no images of {floats}")
    }
    Ok(bytes / floats)
}
