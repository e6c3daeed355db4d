//! Launches of max-pooling.

use candle_core::Result;

use crate::cuda::launch::{Launch, Span, Storage, width};

/// The sizes of a pool over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize {
    /// Images.
    pub batch: usize,
    /// Height and width of the input's maps.
    pub input: (usize, usize),
    /// Height and width of the output's maps.
    pub output: (usize, usize),
    /// Channels.
    pub channels: usize,
    /// Side of the window, in pixels.
    pub kernel: usize,
    /// Distance between windows, in pixels.
    pub stride: usize,
}

impl PoolSize {
    /// Elements of the input.
    pub fn inputs(&self) -> usize {
        self.batch * self.input.0 * self.input.1 * self.channels
    }

    /// Elements of the output.
    pub fn outputs(&self) -> usize {
        self.batch * self.output.0 * self.output.1 * self.channels
    }

    /// Bytes of one note of where a maximum was: 1, or 4 for kernels of more pixels than a byte counts.
    pub fn place_bytes(&self) -> usize {
        if self.kernel <= 15 { 1 } else { 4 }
    }

    fn launch(
        &self,
        storage: Storage,
        which: &str,
        (spans, activations): (&[Span], &[Span]),
        (places, elements): (Span, usize),
    ) -> Result<Launch> {
        let bytes = self.place_bytes();
        let mut sized: Vec<_> = activations.iter().map(|&s| (s, storage.bytes())).collect();
        sized.push((places, bytes));
        let vector = if bytes == 1 { width(storage.vector(), self.channels, &sized) } else { 1 };
        let (name, place) = (storage.name(), if bytes == 1 { "u8" } else { "u32" });
        let kernel = format!("max_pool_{which}_{name}_{place}_v{vector}");
        let ((h, w), (out_h, out_w)) = (self.input, self.output);
        // A stride beyond the map leaves one window; the kernels count to 2^32.
        let stride = self.stride.min(h.max(w));
        let launch = Launch::each("max_pool", kernel, spans, elements / vector)?;
        launch.sizes(&[h, w, out_h, out_w, self.channels, self.kernel, stride])
    }
}

/// `x` to `y` and to the places of the maxima, one for each element of `y`, of
/// [`place_bytes`](PoolSize::place_bytes) each. With `rectify`, a maximum of 0 or less passes on 0 and has no place:
/// right where a ReLU stands directly before or behind the pool.
///
/// # Errors
///
/// Buffers of other sizes, or of more elements than the kernels count.
pub fn max_pool(
    storage: Storage,
    size: &PoolSize,
    [x, y, places]: [Span; 3],
    rectify: bool,
) -> Result<Launch> {
    x.check("max-pool: the input", size.inputs())?;
    y.check("max-pool: the output", size.outputs())?;
    places.check("max-pool: the places", size.outputs())?;
    let spans = (&[x, y, places][..], &[x, y][..]);
    let launch = size.launch(storage, "forward", spans, (places, size.outputs()))?;
    Ok(launch.words(&[u32::from(rectify)]))
}

/// `(places, dy) → dx`.
///
/// # Errors
///
/// As [`max_pool`].
pub fn max_pool_backward(
    storage: Storage,
    size: &PoolSize,
    [places, dy, dx]: [Span; 3],
) -> Result<Launch> {
    places.check("max-pool: the places", size.outputs())?;
    dy.check("max-pool: the gradient", size.outputs())?;
    dx.check("max-pool: the input's gradient", size.inputs())?;
    let spans = (&[places, dy, dx][..], &[dy, dx][..]);
    size.launch(storage, "backward", spans, (places, size.inputs()))
}
