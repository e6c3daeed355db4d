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

    /// The launch that computes each image's maps in a block's shared memory, for the constants and
    /// sizes that have such a kernel.
    fn in_shared_memory(
        &self,
        storage: Storage,
        which: &str,
        spans: &[Span],
    ) -> Result<Option<Launch>> {
        let elements = check_equal("map-norm: a buffer", spans)?;
        let sized: Vec<_> = spans.iter().map(|&span| (span, storage.bytes())).collect();
        let MapSize { height, width: pixels, channels } = self.size;
        let vector = width(storage.vector(), channels, &sized);
        let fits = vector > 1 && height * pixels * vector <= SHARED_FLOATS;
        if self.reach != [2, 2] || self.beta != 0.75 || !fits {
            return Ok(None);
        }
        let kernel = format!("map_norm_{which}_shared_{}_v{vector}", storage.name());
        // A thread for each line of each channel, as far as a block has them.
        let lines = height.max(pixels) * vector;
        let launch = Launch {
            module: "map_norm_shared",
            kernel,
            grid: [(elements / (height * pixels * vector)) as u32, 1],
            block: lines.next_multiple_of(32).min(256) as u32,
            arguments: spans.iter().copied().map(Argument::Span).collect(),
        };
        Ok(Some(launch.sizes(&[height, pixels, channels])?.floats(&[self.k, self.a])))
    }
}

/// Floats of each array in a block's shared memory, as in `map_norm_shared.cu`.
const SHARED_FLOATS: usize = 6144;

/// `x → y`.
pub fn map_norm(storage: Storage, constants: &MapConstants, spans: [Span; 2]) -> Result<Launch> {
    match constants.in_shared_memory(storage, "forward", &spans)? {
        Some(launch) => Ok(launch),
        None => constants.launch(storage, "forward", spans, [false; 2]),
    }
}

/// `(x, dy) → dx` where one launch can do it, in a block's shared memory; with `through_relu`, `dx`
/// is 0 where `x` is not above 0.
pub fn map_norm_gradient(
    storage: Storage,
    constants: &MapConstants,
    spans: [Span; 3],
    through_relu: bool,
) -> Result<Option<Launch>> {
    let launch = constants.in_shared_memory(storage, "backward", &spans)?;
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
