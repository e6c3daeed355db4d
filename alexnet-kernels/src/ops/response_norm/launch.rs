//! Launches of both response norms.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::Result;

use crate::cuda::launch::{Argument, Launch, MapSize, Span, Storage, check_equal, width};

/// LRN's constants in the form that its kernels take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrnConstants {
    /// Channels of a tower: the length of a row.
    pub row: usize,
    /// How many channels a window reaches to each side; at most `row`.
    pub radius: usize,
    /// Offset of the scale.
    pub k: f32,
    /// Weight of a window's sum of squares.
    pub a: f32,
    /// Exponent.
    pub beta: f32,
}

impl LrnConstants {
    /// Whether fast kernels have these constants: windows of 5 and β = ¾.
    pub(crate) fn is_usual(&self) -> bool {
        self.radius == 2 && self.beta == 0.75
    }

    /// The launch of the kernel that fits the constants and the buffers, the fast one or the
    /// general one.
    fn launch(&self, storage: Storage, which: &str, spans: &[Span]) -> Result<Launch> {
        let elements = check_equal("lrn: a buffer", spans)?;
        let sized = spans.iter().map(|&span| (span, storage.bytes())).collect::<Vec<_>>();
        let (vector, name) = (width(storage.vector(), self.row, &sized), storage.name());
        if self.is_usual() && vector > 1 {
            let kernel = format!("lrn_{which}_{name}_v{vector}");
            let launch = Launch::each("lrn", kernel, spans, elements / vector)?;
            return Ok(launch.sizes(&[self.row])?.floats(&[self.k, self.a]));
        }
        let kernel = format!("lrn_{which}_any_{name}");
        let launch = Launch::each("lrn", kernel, spans, elements)?;
        let launch = launch.sizes(&[self.row, self.radius])?;
        Ok(launch.floats(&[self.k, self.a, self.beta]))
    }
}

/// `x → y`.
pub fn lrn(storage: Storage, constants: &LrnConstants, x: Span, y: Span) -> Result<Launch> {
    constants.launch(storage, "forward", &[x, y])
}

/// `(x, dy) → dx`; with `through_relu`, `dx` is 0 where `x` is not above 0.
pub fn lrn_backward(
    storage: Storage,
    constants: &LrnConstants,
    [x, dy, dx]: [Span; 3],
    through_relu: bool,
) -> Result<Launch> {
    let launch = constants.launch(storage, "backward", &[x, dy, dx])?;
    Ok(launch.words(&[u32::from(through_relu)]))
}

/// The constants of the norm within a map in the form that its kernels take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapConstants {
    /// The size of the maps.
    pub size: MapSize,
    /// How many pixels a window reaches up and down, and to each side; at most what the map has.
    pub reach: [usize; 2],
    /// Offset of the scale.
    pub k: f32,
    /// Weight of a window's sum of squares.
    pub a: f32,
    /// Exponent.
    pub beta: f32,
}

impl MapConstants {
    /// The launch over every pixel of the maps; `floats` says which buffers are f32 whatever the
    /// storage is.
    fn launch<const N: usize>(
        &self,
        storage: Storage,
        which: &str,
        spans: [Span; N],
        floats: [bool; N],
    ) -> Result<Launch> {
        let elements = check_equal("map-norm: a buffer", &spans)?;
        let bytes = floats.map(|float| if float { 4 } else { storage.bytes() });
        let sized: Vec<_> = spans.into_iter().zip(bytes).collect();
        let MapSize { height, width: pixels, channels } = self.size;
        let vector = width(4, channels, &sized);
        let kernel = format!("map_norm_{which}_{}_v{vector}", storage.name());
        let launch = Launch::each("map_norm", kernel, &spans, elements / vector)?;
        let launch = launch.sizes(&[height, pixels, channels, self.reach[0], self.reach[1]])?;
        Ok(launch.floats(&[self.k, self.a, self.beta]))
    }

    /// Whether a kernel has these constants and sizes whose threads walk down the maps' columns.
    pub(crate) fn fit_columns(&self, storage: Storage) -> bool {
        let MapSize { width, channels, .. } = self.size;
        let whole = channels.is_multiple_of(vector_of_columns(storage));
        self.reach == [2, 2] && self.beta == 0.75 && width <= WIDEST && whole
    }

    /// The launch of that kernel; `None` where there is none, or none for such buffers.
    fn down_columns(
        &self,
        storage: Storage,
        which: &str,
        spans: &[Span],
    ) -> Result<Option<Launch>> {
        let elements = check_equal("map-norm: a buffer", spans)?;
        let sized: Vec<_> = spans.iter().map(|&span| (span, storage.bytes())).collect();
        let MapSize { height, width: pixels, channels } = self.size;
        let vector = vector_of_columns(storage);
        if !self.fit_columns(storage) || width(vector, channels, &sized) != vector {
            return Ok(None);
        }
        // A block has a power of two of vectors, so that it reads whole sectors of memory.
        let (pairs, vectors) = (pixels.div_ceil(2), (channels / vector).next_power_of_two());
        let vectors = vectors.min(if pairs > THREADS / MOST_VECTORS { 8 } else { MOST_VECTORS });
        let slabs = (channels / vector).div_ceil(vectors);
        let launch = Launch {
            module: "map_norm_columns",
            kernel: format!("map_norm_{which}_columns_{}_v{vector}", storage.name()),
            grid: [(elements / (height * pixels * channels) * slabs) as u32, 1],
            block: (pairs * vectors).next_multiple_of(32) as u32,
            arguments: spans.iter().copied().map(Argument::Span).collect(),
        };
        let launch = launch.sizes(&[height, pixels, channels, vectors])?;
        Ok(Some(launch.floats(&[self.k, self.a])))
    }
}

/// Threads of a block, each with two columns of pixels, and vectors of channels that it has at
/// most, as in `map_norm_columns.cu`; and the width of which a block still has eight vectors.
const THREADS: usize = 256;
const MOST_VECTORS: usize = 16;
const WIDEST: usize = 2 * THREADS / 8;

/// Channels of a vector there: 4 bytes of them.
fn vector_of_columns(storage: Storage) -> usize {
    4 / storage.bytes()
}

/// `x → y`.
pub fn map_norm(storage: Storage, constants: &MapConstants, spans: [Span; 2]) -> Result<Launch> {
    match constants.down_columns(storage, "forward", &spans)? {
        Some(launch) => Ok(launch),
        None => constants.launch(storage, "forward", spans, [false; 2]),
    }
}

/// `(x, dy) → dx` where one launch can do it; with `through_relu`, `dx` is 0 where `x` is not above
/// 0.
pub fn map_norm_gradient(
    storage: Storage,
    constants: &MapConstants,
    spans: [Span; 3],
    through_relu: bool,
) -> Result<Option<Launch>> {
    let launch = constants.down_columns(storage, "backward", &spans)?;
    Ok(launch.map(|launch| launch.words(&[u32::from(through_relu)])))
}

/// First half of the gradient where no one launch can do it: `(x, dy)` to dy·s^−β and the share
/// dy·x·s^(−β−1) of each pixel, both f32.
pub fn map_norm_shares(
    storage: Storage,
    constants: &MapConstants,
    spans: [Span; 4],
) -> Result<Launch> {
    constants.launch(storage, "shares", spans, [false, false, true, true])
}

/// Second half of the gradient: `x` and the results of the first half to `dx`; with `through_relu`,
/// 0 where `x` is not above 0.
pub fn map_norm_backward(
    storage: Storage,
    constants: &MapConstants,
    spans: [Span; 4],
    through_relu: bool,
) -> Result<Launch> {
    let launch = constants.launch(storage, "backward", spans, [false, true, true, false])?;
    Ok(launch.words(&[u32::from(through_relu)]))
}
