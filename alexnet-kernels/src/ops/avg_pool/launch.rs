//! Launches of average pooling.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{Result, Shape};

use crate::cuda::launch::{Launch, Span, Storage, width};

/// The sizes of an average pooling over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvgPoolSize {
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

impl AvgPoolSize {
    /// `(B, H, W, C)`.
    pub(crate) fn input_shape(&self) -> Shape {
        Shape::from((self.batch, self.input.0, self.input.1, self.channels))
    }

    /// `(B, H', W', C)`.
    pub(crate) fn output_shape(&self) -> Shape {
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

    /// The launch whose threads compute `elements`.
    fn launch(
        &self,
        storage: Storage,
        which: &str,
        spans: &[Span],
        elements: usize,
    ) -> Result<Launch> {
        let sized: Vec<_> = spans.iter().map(|&span| (span, storage.bytes())).collect();
        let vector = width(storage.vector(), self.channels, &sized);
        let kernel = format!("avg_pool_{which}_{}_v{vector}", storage.name());
        let ((h, w), (out_h, out_w)) = (self.input, self.output);
        // A stride beyond the map leaves one window; the kernels count to 2^32.
        let stride = self.stride.min(h.max(w));
        let launch = Launch::each("avg_pool", kernel, spans, elements / vector)?;
        launch.sizes(&[h, w, out_h, out_w, self.channels, self.kernel, stride])
    }
}

/// `x` to `y`.
pub fn avg_pool(storage: Storage, size: &AvgPoolSize, [x, y]: [Span; 2]) -> Result<Launch> {
    x.check("avg-pool: the input", size.inputs())?;
    y.check("avg-pool: the output", size.outputs())?;
    size.launch(storage, "forward", &[x, y], size.outputs())
}

/// `(dy, x) → dx`; with `through_relu`, 0 where `x` is not above 0, else `x` is not read.
pub fn avg_pool_backward(
    storage: Storage,
    size: &AvgPoolSize,
    [dy, x, dx]: [Span; 3],
    through_relu: bool,
) -> Result<Launch> {
    dy.check("avg-pool: the gradient", size.outputs())?;
    x.check("avg-pool: the input", size.inputs())?;
    dx.check("avg-pool: the input's gradient", size.inputs())?;
    let launch = size.launch(storage, "backward", &[dy, x, dx], size.inputs())?;
    Ok(launch.words(&[u32::from(through_relu)]))
}
