//! The launch of space-to-depth.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::Result;

use super::SpaceToDepth;
use crate::cuda::launch::{Launch, MapSize, Span, Storage, width};

impl SpaceToDepth {
    /// 4 where vectors of 4 neighbours lie inside a line of a block, and inside the image or
    /// outside; else 1. The spans are given with the bytes of their elements.
    pub(crate) fn vector(&self, size: MapSize, spans: &[(Span, usize)]) -> usize {
        let lines = [self.side, size.width, self.left].map(|pixels| pixels * size.channels);
        if lines.iter().all(|&line| width(4, line, spans) == 4) { 4 } else { 1 }
    }

    /// Appends the sizes of the images and of the blocks, in the kernels' order.
    pub(crate) fn sizes(&self, size: MapSize, launch: Launch) -> Result<Launch> {
        let MapSize { height, width, channels } = size;
        let launch =
            launch.sizes(&[height, width, channels, self.rows, self.columns, self.side])?;
        Ok(launch.offsets(&[self.top as i32, self.left as i32]))
    }
}

/// Images `(B, H, W, C)` to blocks `(B, rows, columns, s·s·C)`.
pub fn space_to_depth(
    storage: Storage,
    blocks: &SpaceToDepth,
    (batch, size): (usize, MapSize),
    [from, to]: [Span; 2],
) -> Result<Launch> {
    from.check("space to depth: the images", batch * size.elements())?;
    let elements = blocks.shape(batch, size.channels).iter().product();
    to.check("space to depth: the blocks", elements)?;
    let vector = blocks.vector(size, &[from, to].map(|span| (span, storage.bytes())));
    let kernel = format!("space_to_depth_{}_v{vector}", storage.name());
    let launch = Launch::each("space_to_depth", kernel, &[from, to], elements / vector)?;
    blocks.sizes(size, launch)
}
