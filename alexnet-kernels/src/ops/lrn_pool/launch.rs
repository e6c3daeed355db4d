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

/// The rest of a convolution whose output `x` is: its bias, f32, and whether a ReLU follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rest {
    /// One number for each channel.
    pub bias: Span,
    /// Whether a ReLU follows.
    pub relu: bool,
}

/// `x` to `y` and the argmax of each element of `y`, as `lrn` and then `max_pool` give them, after
/// the rest of a convolution; `None` for constants, sizes or buffers that have no such kernel.
pub fn lrn_pool(
    storage: Storage,
    lrn: &LrnConstants,
    size: &PoolSize,
    [x, y, argmax]: [Span; 3],
    rest: Option<Rest>,
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
        kernel: kernel("forward", storage, vector, rest),
        grid: [(size.batch * out_h.div_ceil(rows)) as u32, out_w.div_ceil(columns) as u32],
        block: ((columns + 1) * vectors) as u32,
        arguments: [x, y, argmax].map(Argument::Span).to_vec(),
    };
    arguments(launch, lrn, size, [columns, rows], relu, rest.map(|rest| (rest, None))).map(Some)
}

/// The backward pass in blocks of squares of 2 by 2 pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrnPoolBackward {
    storage: Storage,
    lrn: LrnConstants,
    size: PoolSize,
    vector: usize,
    /// Squares of a block, side by side.
    columns: usize,
}

impl LrnPoolBackward {
    /// A plan for `(x, argmax, dy) → dx`; `None` where there is no such kernel.
    pub fn new(
        storage: Storage,
        lrn: &LrnConstants,
        size: &PoolSize,
        [x, argmax, dy, dx]: [Span; 4],
    ) -> Result<Option<Self>> {
        x.check("lrn-pool: the input", size.inputs())?;
        dx.check("lrn-pool: the input's gradient", size.inputs())?;
        argmax.check("lrn-pool: the argmax", size.outputs())?;
        dy.check("lrn-pool: the gradient", size.outputs())?;
        let bytes = storage.bytes();
        let spans = [(x, bytes), (argmax, 1), (dy, bytes), (dx, bytes)];
        let vector = vector(storage, lrn, size, &spans);
        let vectors = size.channels / vector;
        if vector == 1 || vectors > BACKWARD_THREADS {
            return Ok(None);
        }
        let columns = share(size.input.1.div_ceil(2), BACKWARD_THREADS / vectors);
        Ok(Some(Self { storage, lrn: *lrn, size: *size, vector, columns }))
    }

    fn grid(&self) -> [usize; 2] {
        let (height, width) = self.size.input;
        [self.size.batch * height.div_ceil(2), width.div_ceil(2).div_ceil(self.columns)]
    }

    /// How many blocks there are, each of which gives the totals of `dx` over its squares.
    pub fn blocks(&self) -> usize {
        self.grid().iter().product()
    }

    /// The launch. With `through_relu`, `dx` is 0 where LRN's input is not above 0. After the rest
    /// of a convolution the totals of each block, (blocks, C) f32, are written too.
    pub fn launch(
        &self,
        spans: [Span; 4],
        rest: Option<(Rest, Span)>,
        through_relu: bool,
    ) -> Result<Launch> {
        let launch = Launch {
            module: "lrn_pool",
            kernel: kernel("backward", self.storage, self.vector, rest.map(|(rest, _)| rest)),
            grid: self.grid().map(|blocks| blocks as u32),
            block: (self.columns * self.size.channels / self.vector) as u32,
            arguments: spans.map(Argument::Span).to_vec(),
        };
        let rest = match rest {
            Some((rest, totals)) => {
                totals.check("lrn-pool: the totals", self.blocks() * self.size.channels)?;
                Some((rest, Some(totals)))
            }
            None => None,
        };
        arguments(launch, &self.lrn, &self.size, [self.columns, 1], through_relu, rest)
    }
}

fn kernel(pass: &str, storage: Storage, vector: usize, rest: Option<Rest>) -> String {
    let after = if rest.is_some() { "after_" } else { "" };
    format!("lrn_pool_{after}{pass}_{}_v{vector}", storage.name())
}

/// Whether there are kernels for these constants and sizes, if buffers are aligned.
pub(crate) fn has_kernel(storage: Storage, lrn: &LrnConstants, size: &PoolSize) -> bool {
    // Vectors do not reach from tower to tower, in LRN's sense or in that of the maps.
    let rows = [lrn.row, size.channels / size.towers.count];
    let whole = rows.iter().all(|row| row.is_multiple_of(storage.vector()));
    let fits = size.channels / storage.vector() <= BACKWARD_THREADS;
    lrn.is_usual() && size.is_overlapping() && whole && fits
}

/// How many channels a thread computes; 1 where there is no kernel.
fn vector(storage: Storage, lrn: &LrnConstants, size: &PoolSize, spans: &[(Span, usize)]) -> usize {
    if has_kernel(storage, lrn, size) { width(storage.vector(), lrn.row, spans) } else { 1 }
}

/// `all` in as few parts of at most `most` as there can be, which are about equal.
fn share(all: usize, most: usize) -> usize {
    all.div_ceil(all.div_ceil(most))
}

fn arguments(
    mut launch: Launch,
    lrn: &LrnConstants,
    size: &PoolSize,
    part: [usize; 2],
    relu: bool,
    rest: Option<(Rest, Option<Span>)>,
) -> Result<Launch> {
    if let Some((Rest { bias, .. }, totals)) = rest {
        bias.check("lrn-pool: the bias", size.channels)?;
        let spans = [Some(bias), totals].into_iter().flatten();
        launch.arguments.extend(spans.map(Argument::Span));
    }
    let launch = size.append_to(launch.sizes(&[lrn.row])?)?.sizes(&part)?;
    let launch = launch.floats(&[lrn.k, lrn.a]).words(&[u32::from(relu)]);
    Ok(match rest {
        Some((rest, _)) => launch.words(&[u32::from(rest.relu)]),
        None => launch,
    })
}
