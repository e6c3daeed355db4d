//! Space-to-depth in f64.

use super::SpaceToDepth;
use crate::array::{Array, indices};

/// `x` (B, C, H, W) to (B, s·s·C, rows, columns).
pub fn space_to_depth(blocks: &SpaceToDepth, x: &Array) -> Array {
    let [b, c, h, w] = x.four();
    let shape = blocks.shape(b, c);
    let y = |[image, depth, row, column]: [usize; 4]| {
        let (phase, channel) = (depth / c, depth % c);
        let at =
            |block, of_phase, before| usize::checked_sub(block * blocks.side + of_phase, before);
        let i = at(row, phase / blocks.side, blocks.top).filter(|i| *i < h);
        let j = at(column, phase % blocks.side, blocks.left).filter(|j| *j < w);
        i.zip(j).map_or(0.0, |(i, j)| x.get([image, channel, i, j]))
    };
    Array { dims: shape.to_vec(), values: indices(shape).map(y).collect() }
}
