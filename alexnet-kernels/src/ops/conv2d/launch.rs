//! The launches around cuDNN's convolutions: padding, which cuDNN gives opposite sides alike and
//! the original network does not; weights over blocks; weights in groups.
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

/// A kernel and its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelBlocks {
    /// Output channels.
    pub outputs: usize,
    /// The size of the kernel.
    pub kernel: MapSize,
    /// Rows and columns of blocks.
    pub blocks: (usize, usize),
    /// Pixels of a side of a block: the stride.
    pub side: usize,
}

impl KernelBlocks {
    fn launch(self, storage: Storage, name: &str, spans: [Span; 2], to: usize) -> Result<Launch> {
        let Self { kernel: MapSize { height, width, channels }, blocks, side, .. } = self;
        let launch =
            Launch::each("depth_weights", format!("{name}_{}", storage.name()), &spans, to)?;
        launch.sizes(&[height, width, channels, blocks.0, blocks.1, side])
    }

    fn check(self, pixels: Span, blocks: Span) -> Result<[usize; 2]> {
        let Self { outputs, kernel, blocks: (rows, columns), side } = self;
        let sizes =
            [outputs * kernel.elements(), outputs * rows * columns * side * side * kernel.channels];
        pixels.check("space to depth: the weights", sizes[0])?;
        blocks.check("space to depth: the weights in blocks", sizes[1])?;
        Ok(sizes)
    }
}

/// Weights `(O, kH, kW, C)` to blocks `(O, rows, columns, side · side · C)`, 0 beyond the kernel.
pub fn weights_to_depth(
    storage: Storage,
    size: KernelBlocks,
    [from, to]: [Span; 2],
) -> Result<Launch> {
    let [_, blocks] = size.check(from, to)?;
    size.launch(storage, "weights_to_depth", [from, to], blocks)
}

/// The opposite of [`weights_to_depth`].
pub fn weights_from_depth(
    storage: Storage,
    size: KernelBlocks,
    [from, to]: [Span; 2],
) -> Result<Launch> {
    let [pixels, _] = size.check(to, from)?;
    size.launch(storage, "weights_from_depth", [from, to], pixels)
}

/// Weights `(O, taps, C/groups)` to those of a convolution over all channels, `(O, taps, C)`, which
/// are 0 between groups. `sizes` are O, taps, C/groups and groups.
pub fn with_zeros(storage: Storage, [from, to]: [Span; 2], sizes: [usize; 4]) -> Result<Launch> {
    of_weights("with_zeros", storage, [from, to], [to, from], sizes)
}

/// The opposite of [`with_zeros`]: what is between groups is left out.
pub fn of_groups(storage: Storage, [from, to]: [Span; 2], sizes: [usize; 4]) -> Result<Launch> {
    of_weights("of_groups", storage, [from, to], [from, to], sizes)
}

fn of_weights(
    op: &str,
    storage: Storage,
    spans: [Span; 2],
    [dense, grouped]: [Span; 2],
    sizes: [usize; 4],
) -> Result<Launch> {
    let [outputs, taps, channels, groups] = sizes;
    grouped.check("groups: the weights", outputs * taps * channels)?;
    dense.check("groups: the weights with zeros", outputs * taps * channels * groups)?;
    let bytes = storage.bytes();
    let vector = width(storage.vector(), channels, &spans.map(|span| (span, bytes)));
    let kernel = format!("{op}_{}_v{vector}", storage.name());
    let threads = spans[1].length as usize / vector;
    Launch::each("groups", kernel, &spans, threads)?.sizes(&sizes)
}
