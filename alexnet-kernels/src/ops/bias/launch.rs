//! Launches of a bias: adding it, and its gradient.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{Result, bail};

use crate::cuda::launch::{Argument, Launch, Span, Storage, width};

/// `y[r, c] += bias[c]` in place, and with `relu` then `max(y, 0)`; `bias` is f32.
pub fn add_bias(storage: Storage, y: Span, bias: Span, relu: bool) -> Result<Launch> {
    let (elements, channels) = (y.length as usize, bias.length as usize);
    if channels == 0 || !elements.is_multiple_of(channels) {
        bail!("bias: {elements} elements are no rows of {channels}")
    }
    let vector = width(storage.vector(), channels, &[(y, storage.bytes()), (bias, 4)]);
    let kernel = format!("bias_{}_v{vector}", storage.name());
    let launch = Launch::each("bias", kernel, &[y, bias], elements / vector)?;
    Ok(launch.sizes(&[channels])?.words(&[u32::from(relu)]))
}

/// Threads of a block, and vectors of columns that it sums, at most.
const THREADS: usize = 256;
const COLUMNS: usize = 32;

/// Blocks that keep a large GPU busy. The number is fixed, so that sums do not depend on the GPU.
const BLOCKS: usize = 1024;

/// Rows that are worth a part of their own: with fewer the second launch would have much to do.
const ROWS: usize = 64;

/// The sums of columns in two launches: the first sums the rows of each of several parts, the
/// second the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnSums {
    storage: Storage,
    rows: usize,
    channels: usize,
    vector: usize,
    /// Vectors of columns that a block of the first launch sums.
    across: usize,
    rows_per_part: usize,
}

impl ColumnSums {
    /// A plan for `x`, `rows` of `channels` elements.
    pub fn new(storage: Storage, x: Span, (rows, channels): (usize, usize)) -> Result<Self> {
        x.check("column sums: the input", rows * channels)?;
        let vector = width(storage.vector(), channels, &[(x, storage.bytes())]);
        let vectors = channels / vector;
        let blocks = vectors.div_ceil(COLUMNS); // of about the same width
        let rows_per_part = rows.div_ceil((BLOCKS / blocks).max(1)).max(ROWS);
        let across = vectors.div_ceil(blocks);
        Ok(Self { storage, rows, channels, vector, across, rows_per_part })
    }

    /// The number of parts.
    fn count(&self) -> usize {
        self.rows.div_ceil(self.rows_per_part)
    }

    /// Floats of scratch memory that the launches need: a row for each part.
    pub fn scratch(&self) -> usize {
        if self.count() > 1 { self.count() * self.channels } else { 0 }
    }

    /// The launches in their order: `x` to `sums`, f32, by way of `parts`, which has
    /// [`scratch`](Self::scratch) floats.
    pub fn launches(&self, x: Span, parts: Span, sums: Span) -> Result<Vec<Launch>> {
        parts.check("column sums: the parts", self.scratch())?;
        sums.check("column sums: the sums", self.channels)?;
        let of_rows = |to| {
            let rows = (self.rows, self.rows_per_part);
            self.launch((x, to), (self.storage, self.vector), self.across, rows)
        };
        if self.count() == 1 {
            return Ok(vec![of_rows(sums)?]);
        }
        // The parts are few rows: a block has few columns of them, 32 bytes, and many lanes.
        let vector = width(4, self.channels, &[(parts, 4), (sums, 4)]);
        let of_parts = (self.count(), self.count());
        Ok(vec![
            of_rows(parts)?,
            self.launch((parts, sums), (Storage::F32, vector), 8 / vector, of_parts)?,
        ])
    }

    fn launch(
        &self,
        (from, to): (Span, Span),
        (storage, vector): (Storage, usize),
        across: usize,
        (rows, rows_per_part): (usize, usize),
    ) -> Result<Launch> {
        let blocks = (self.channels / vector).div_ceil(across);
        let launch = Launch {
            module: "bias",
            kernel: format!("column_sums_{}_v{vector}", storage.name()),
            grid: [blocks as u32, rows.div_ceil(rows_per_part) as u32],
            block: (THREADS / across * across) as u32,
            arguments: vec![Argument::Span(from), Argument::Span(to)],
        };
        launch.sizes(&[rows, self.channels, rows_per_part, across])
    }
}
