//! Space-to-depth on GPUs.

use candle_core::Result;

use super::{SpaceToDepth, launch};
use crate::cuda::gpu::{Gpu, Reading, Uninit};
use crate::cuda::launch::MapSize;

/// Images `x` (B, H, W, C) as blocks (B, rows, columns, s·s·C).
pub(crate) fn space_to_depth(
    gpu: &Gpu,
    blocks: &SpaceToDepth,
    (batch, size): (usize, MapSize),
    x: &Reading,
) -> Result<Uninit> {
    let [b, depth, rows, columns] = blocks.shape(batch, size.channels);
    let memory = gpu.uninit(x.storage, (b, rows, columns, depth))?;
    gpu.run(&launch::space_to_depth(x.storage, blocks, (batch, size), [x.span, memory.span])?)?;
    Ok(memory)
}
