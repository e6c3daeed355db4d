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

/// Vectors of columns that a block sums, and rows that it takes at a time, as in `bias.cu`.
const COLUMNS: usize = 32;
const LANES: usize = 8;

/// Blocks that keep a large GPU busy. The number is fixed, so that sums do not depend on the GPU.
const BLOCKS: usize = 1024;

/// The sums of columns in two launches: the first sums the rows of each of several parts, the
/// second the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnSums {
    storage: Storage,
    rows: usize,
    channels: usize,
    vector: usize,
    rows_per_part: usize,
}

impl ColumnSums {
    /// A plan for `x`, `rows` of `channels` elements.
    pub fn new(storage: Storage, x: Span, (rows, channels): (usize, usize)) -> Result<Self> {
        x.check("column sums: the input", rows * channels)?;
        let vector = width(storage.vector(), channels, &[(x, storage.bytes())]);
        let parts = (BLOCKS / (channels / vector).div_ceil(COLUMNS)).max(1);
        // At least eight rows for each thread, so that the second launch has little to do.
        let rows_per_part = rows.div_ceil(parts).max(8 * LANES);
        Ok(Self { storage, rows, channels, vector, rows_per_part })
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
        let of_rows = |to, parts| self.launch(x, to, (self.storage, self.vector), parts);
        if self.count() == 1 {
            return Ok(vec![of_rows(sums, (self.rows, self.rows_per_part))?]);
        }
        let vector = width(4, self.channels, &[(parts, 4)]);
        let count = self.count();
        Ok(vec![
            of_rows(parts, (self.rows, self.rows_per_part))?,
            self.launch(parts, sums, (Storage::F32, vector), (count, count))?,
        ])
    }

    fn launch(
        &self,
        from: Span,
        to: Span,
        (storage, vector): (Storage, usize),
        (rows, rows_per_part): (usize, usize),
    ) -> Result<Launch> {
        let across = (self.channels / vector).div_ceil(COLUMNS) as u32;
        let launch = Launch {
            module: "bias",
            kernel: format!("column_sums_{}_v{vector}", storage.name()),
            grid: [across, rows.div_ceil(rows_per_part) as u32],
            block: (COLUMNS * LANES) as u32,
            arguments: vec![Argument::Span(from), Argument::Span(to)],
        };
        launch.sizes(&[rows, self.channels, rows_per_part])
    }
}
