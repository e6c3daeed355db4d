//! The launch of padding: cuDNN pads opposite sides alike, the original network does not.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::Result;

use crate::cuda::launch::{Launch, MapSize, Span, Storage, width};

/// `to[h, w] = from[h − top, w − left]`, 0 where `from` has no such pixel: pads, and with negative
/// offsets crops. Both have `batch` images with the same number of channels.
pub fn pad(
    storage: Storage,
    [from, to]: [Span; 2],
    batch: usize,
    sizes: [MapSize; 2],
    [top, left]: [i32; 2],
) -> Result<Launch> {
    for (span, size) in [from, to].iter().zip(sizes) {
        span.check("pad: a map", batch * size.height * size.width * sizes[0].channels)?;
    }
    let [MapSize { height, width: from_width, channels }, to_size] = sizes;
    let bytes = storage.bytes();
    let vector = width(storage.vector(), channels, &[(from, bytes), (to, bytes)]);
    let kernel = format!("pad_{}_v{vector}", storage.name());
    let threads = to.length as usize / vector;
    let launch = Launch::each("pad", kernel, &[from, to], threads)?;
    let launch = launch.sizes(&[height, from_width, to_size.height, to_size.width, channels])?;
    Ok(launch.offsets(&[top, left]))
}
