//! Launches of max-pooling.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{DType, Result, Shape};

use super::towers::Towers;
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
    /// How the maps of towers lie.
    pub towers: Towers,
}

impl PoolSize {
    /// `(B, H, W, C)`, or with the towers apart.
    pub(crate) fn input_shape(&self) -> Shape {
        self.shape(self.towers.input_apart, self.input)
    }

    /// `(B, H', W', C)`, or with the towers apart.
    pub(crate) fn output_shape(&self) -> Shape {
        self.shape(self.towers.output_apart, self.output)
    }

    /// The same pool over maps that all lie as those of the input.
    pub(crate) fn as_input(&self) -> Self {
        let [batch, channels] =
            self.towers.maps(self.towers.input_apart, self.batch, self.channels);
        Self { batch, channels, towers: Towers::TOGETHER, ..*self }
    }

    fn shape(&self, apart: bool, (h, w): (usize, usize)) -> Shape {
        let [batch, channels] = self.towers.maps(apart, self.batch, self.channels);
        Shape::from((batch, h, w, channels))
    }

    /// Appends the sizes of maps and how towers lie, in the kernels' order.
    pub(crate) fn append_to(&self, launch: Launch) -> Result<Launch> {
        let ((h, w), (out_h, out_w), Self { channels, batch, towers, .. }) =
            (self.input, self.output, *self);
        let [x, y] = [towers.input_apart, towers.output_apart];
        let row = |apart| towers.maps(apart, 1, channels)[1];
        launch.sizes(&[h, w, out_h, out_w, channels, batch, row(x), row(y)])
    }

    /// Elements of the input.
    pub fn inputs(&self) -> usize {
        self.input_shape().elem_count()
    }

    /// Elements of the output.
    pub fn outputs(&self) -> usize {
        self.output_shape().elem_count()
    }

    /// The type of an argmax: u8, or u32 for kernels with more pixels than a byte can number.
    pub fn argmax_dtype(&self) -> DType {
        if self.kernel < 16 { DType::U8 } else { DType::U32 }
    }

    /// Whether these are windows of 3 by 3 pixels 2 apart, for which there are faster kernels.
    pub(crate) fn is_overlapping(&self) -> bool {
        self.kernel == 3 && self.stride == 2
    }

    /// The launch whose threads compute `elements`; `argmax` says which of the buffers it is.
    /// Kernels for overlapping windows work on rows of maps, which are `over` in size.
    fn launch(
        &self,
        storage: Storage,
        which: &str,
        spans: [Span; 3],
        (argmax, elements, over): (usize, usize, (usize, usize)),
    ) -> Result<Launch> {
        let bytes = self.argmax_dtype().size_in_bytes();
        let mut sized = spans.map(|span| (span, storage.bytes()));
        sized[argmax].1 = bytes;
        // Vectors do not reach from tower to tower.
        let row = self.channels / self.towers.count;
        let vector = if bytes == 1 { width(storage.vector(), row, &sized) } else { 1 };
        let (name, channels) = (storage.name(), self.channels);
        if self.is_overlapping() && vector > 1 {
            let kernel = format!("max_pool_{which}_overlapping_{name}_v{vector}");
            let (rows, per_row) = (self.batch * over.0, over.1 * channels / vector);
            let launch = Launch::rows("max_pool", kernel, &spans, rows, per_row)?;
            return self.append_to(launch);
        }
        let number = if bytes == 1 { "u8" } else { "u32" };
        let kernel = format!("max_pool_{which}_{name}_{number}_v{vector}");
        // A stride beyond the map leaves one window; the kernels count to 2^32.
        let stride = self.stride.min(self.input.0.max(self.input.1));
        let launch = Launch::each("max_pool", kernel, &spans, elements / vector)?;
        self.append_to(launch)?.sizes(&[self.kernel, stride])
    }
}

/// `x` to `y` and the argmax of each element of `y`. With `relu`, which stands for a ReLU directly
/// before or after the pool, a maximum of 0 or less becomes 0 and passes no gradient on.
pub fn max_pool(
    storage: Storage,
    size: &PoolSize,
    [x, y, argmax]: [Span; 3],
    relu: bool,
) -> Result<Launch> {
    x.check("max-pool: the input", size.inputs())?;
    y.check("max-pool: the output", size.outputs())?;
    argmax.check("max-pool: the argmax", size.outputs())?;
    let launch =
        size.launch(storage, "forward", [x, y, argmax], (2, size.outputs(), size.output))?;
    Ok(launch.words(&[u32::from(relu)]))
}

/// `(argmax, dy) → dx`.
pub fn max_pool_backward(
    storage: Storage,
    size: &PoolSize,
    [argmax, dy, dx]: [Span; 3],
) -> Result<Launch> {
    argmax.check("max-pool: the argmax", size.outputs())?;
    dy.check("max-pool: the gradient", size.outputs())?;
    dx.check("max-pool: the input's gradient", size.inputs())?;
    let squares = (size.input.0.div_ceil(2), size.input.1.div_ceil(2));
    size.launch(storage, "backward", [argmax, dy, dx], (0, size.inputs(), squares))
}
