//! Launches of LRN and max-pooling in one pass.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::Result;

use crate::cuda::launch::{Argument, Launch, Span, Storage, width};
use crate::ops::max_pool::launch::PoolSize;
use crate::ops::response_norm::launch::LrnConstants;

/// The most threads of a block, as in `lrn_pool.cu`; fewer backward, where each has much to keep.
const FORWARD_THREADS: usize = 256;
const BACKWARD_THREADS: usize = 128;

/// Rows of windows that a block computes; two of them share a row of pixels, but two blocks do not.
const ROWS: usize = 9;

/// `x` to `y` and the argmax of each element of `y`, as `lrn` and then `max_pool` give them; `None`
/// for constants, sizes or buffers that have no such kernel.
pub fn lrn_pool(
    storage: Storage,
    lrn: &LrnConstants,
    size: &PoolSize,
    [x, y, argmax]: [Span; 3],
    relu: bool,
) -> Result<Option<Launch>> {
    x.check("lrn-pool: the input", size.inputs())?;
    y.check("lrn-pool: the output", size.outputs())?;
    argmax.check("lrn-pool: the argmax", size.outputs())?;
    let bytes = storage.bytes();
    let vector = vector(storage, lrn, size, &[(x, bytes), (y, bytes), (argmax, 1)]);
    let (vectors, (out_h, out_w)) = (size.channels / vector, size.output);
    // The last column of a block's threads computes only what its neighbour reads.
    let most = (FORWARD_THREADS / vectors).saturating_sub(1);
    if vector == 1 || most == 0 {
        return Ok(None);
    }
    let [rows, columns] = [(out_h, ROWS), (out_w, most)].map(|(all, most)| share(all, most));
    let launch = Launch {
        module: "lrn_pool",
        kernel: format!("lrn_pool_forward_{}_v{vector}", storage.name()),
        grid: [(size.batch * out_h.div_ceil(rows)) as u32, out_w.div_ceil(columns) as u32],
        block: ((columns + 1) * vectors) as u32,
        arguments: [x, y, argmax].map(Argument::Span).to_vec(),
    };
    arguments(launch, lrn, size, [columns, rows], relu).map(Some)
}

/// `(x, argmax, dy) → dx`; with `through_relu`, `dx` is 0 where `x` is not above 0. `None` where
/// there is no such kernel.
pub fn lrn_pool_backward(
    storage: Storage,
    lrn: &LrnConstants,
    size: &PoolSize,
    [x, argmax, dy, dx]: [Span; 4],
    through_relu: bool,
) -> Result<Option<Launch>> {
    x.check("lrn-pool: the input", size.inputs())?;
    dx.check("lrn-pool: the input's gradient", size.inputs())?;
    argmax.check("lrn-pool: the argmax", size.outputs())?;
    dy.check("lrn-pool: the gradient", size.outputs())?;
    let bytes = storage.bytes();
    let vector = vector(storage, lrn, size, &[(x, bytes), (argmax, 1), (dy, bytes), (dx, bytes)]);
    let (vectors, (height, width)) = (size.channels / vector, size.input);
    if vector == 1 || vectors > BACKWARD_THREADS {
        return Ok(None);
    }
    // Squares of 2 by 2 pixels.
    let (down, across) = (height.div_ceil(2), width.div_ceil(2));
    let columns = share(across, BACKWARD_THREADS / vectors);
    let launch = Launch {
        module: "lrn_pool",
        kernel: format!("lrn_pool_backward_{}_v{vector}", storage.name()),
        grid: [(size.batch * down) as u32, across.div_ceil(columns) as u32],
        block: (columns * vectors) as u32,
        arguments: [x, argmax, dy, dx].map(Argument::Span).to_vec(),
    };
    arguments(launch, lrn, size, [columns, 1], through_relu).map(Some)
}

/// How many channels a thread computes; 1 where there is no kernel.
fn vector(storage: Storage, lrn: &LrnConstants, size: &PoolSize, spans: &[(Span, usize)]) -> usize {
    // Vectors do not reach from tower to tower, in LRN's sense or in that of the maps.
    let rows = [lrn.row, size.channels / size.towers.count];
    let has_kernel = lrn.is_usual() && size.is_overlapping();
    let whole = |row| width(storage.vector(), row, spans) > 1;
    if has_kernel && rows.into_iter().all(whole) { storage.vector() } else { 1 }
}

/// `all` in as few parts of at most `most` as there can be, which are about equal.
fn share(all: usize, most: usize) -> usize {
    all.div_ceil(all.div_ceil(most))
}

fn arguments(
    launch: Launch,
    lrn: &LrnConstants,
    size: &PoolSize,
    part: [usize; 2],
    relu: bool,
) -> Result<Launch> {
    let launch = size.append_to(launch.sizes(&[lrn.row])?)?.sizes(&part)?;
    Ok(launch.floats(&[lrn.k, lrn.a]).words(&[u32::from(relu)]))
}
