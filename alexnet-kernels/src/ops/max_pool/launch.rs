//! Launches of max-pooling.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{DType, Result, Shape};

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
    /// `(B, H, W, C)`.
    pub(super) fn input_shape(&self) -> Shape {
        Shape::from((self.batch, self.input.0, self.input.1, self.channels))
    }

    /// `(B, H', W', C)`.
    pub(super) fn output_shape(&self) -> Shape {
        Shape::from((self.batch, self.output.0, self.output.1, self.channels))
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

    /// `argmax` says which of the buffers it is.
    fn launch(
        &self,
        storage: Storage,
        which: &str,
        spans: [Span; 3],
        (argmax, elements): (usize, usize),
    ) -> Result<Launch> {
        let bytes = self.argmax_dtype().size_in_bytes();
        let mut sized = spans.map(|span| (span, storage.bytes()));
        sized[argmax].1 = bytes;
        let vector = if bytes == 1 { width(storage.vector(), self.channels, &sized) } else { 1 };
        let (name, number) = (storage.name(), if bytes == 1 { "u8" } else { "u32" });
        let kernel = format!("max_pool_{which}_{name}_{number}_v{vector}");
        let ((h, w), (out_h, out_w)) = (self.input, self.output);
        // A stride beyond the map leaves one window; the kernels count to 2^32.
        let stride = self.stride.min(h.max(w));
        let launch = Launch::each("max_pool", kernel, &spans, elements / vector)?;
        launch.sizes(&[h, w, out_h, out_w, self.channels, self.kernel, stride])
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
    let launch = size.launch(storage, "forward", [x, y, argmax], (2, size.outputs()))?;
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
    size.launch(storage, "backward", [argmax, dy, dx], (0, size.inputs()))
}
