//! Launches of local layers: GEMMs, each of a place of the window or of a pixel of the input.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{Result, Shape, bail};

use crate::cuda::launch::{Argument, Launch, Span, Storage};

/// The sizes of a local layer over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalSize {
    /// Images.
    pub batch: usize,
    /// Height and width of the input's maps.
    pub input: (usize, usize),
    /// Height and width of the output's maps.
    pub output: (usize, usize),
    /// Channels of the input.
    pub channels: usize,
    /// Channels of the output.
    pub filters: usize,
    /// Side of the window, in pixels.
    pub kernel: usize,
    /// Distance between windows, in pixels.
    pub stride: usize,
    /// Zeros around the input, in pixels.
    pub padding: usize,
}

/// Threads of a block, and rows and columns of the tile of a result that it computes, as in
/// `local2d.cu`.
const THREADS: u32 = 256;
const SIDE: usize = 64;

impl LocalSize {
    /// `(B, H, W, C)`.
    pub(crate) fn input_shape(&self) -> Shape {
        Shape::from((self.batch, self.input.0, self.input.1, self.channels))
    }

    /// `(B, H', W', O)`.
    pub(crate) fn output_shape(&self) -> Shape {
        Shape::from((self.batch, self.output.0, self.output.1, self.filters))
    }

    /// Places of the window.
    pub fn places(&self) -> usize {
        self.output.0 * self.output.1
    }

    /// Elements of a window.
    pub fn window(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Rows and columns of the weights.
    pub fn weight(&self) -> (usize, usize) {
        (self.places() * self.filters, self.window())
    }

    /// A launch of `count` GEMMs with results of so many rows and columns.
    fn launch(
        &self,
        (storage, which): (Storage, &str),
        spans: &[Span],
        count: usize,
        (rows, columns): (usize, usize),
    ) -> Result<Launch> {
        let kernel = format!("local_{which}_{}", storage.name());
        let tiles = rows.div_ceil(SIDE) * columns.div_ceil(SIDE);
        let (Ok(across), Ok(down)) = (i32::try_from(tiles), u16::try_from(count)) else {
            bail!("{kernel}: {count} results of {rows} by {columns} are more than a grid has")
        };
        let arguments = spans.iter().copied().map(Argument::Span).collect();
        let grid = [across as u32, down.into()];
        let launch = Launch { module: "local2d", kernel, grid, block: THREADS, arguments };
        let Self { batch, input: (h, w), output: (out_h, out_w), channels, filters, .. } = *self;
        let launch = launch.sizes(&[batch, h, w, channels, out_h, out_w, filters])?;
        // A stride beyond the map leaves one window; the kernels count to 2^32.
        let stride = self.stride.min(h.max(w) + 2 * self.padding);
        launch.sizes(&[self.kernel, stride, self.padding])
    }

    fn check(&self, spans: [(&str, Span, usize); 3]) -> Result<()> {
        spans.into_iter().try_for_each(|(what, span, expected)| span.check(what, expected))
    }

    fn inputs(&self) -> usize {
        self.input_shape().elem_count()
    }

    fn outputs(&self) -> usize {
        self.output_shape().elem_count()
    }
}

/// `(x, w, bias) → y`, with `relu` then `max(y, 0)`; `bias` is f32.
pub fn local(
    storage: Storage,
    size: &LocalSize,
    [x, w, bias, y]: [Span; 4],
    relu: bool,
) -> Result<Launch> {
    let (outputs, window) = size.weight();
    size.check([
        ("local2d: the input", x, size.inputs()),
        ("local2d: the weight", w, outputs * window),
        ("local2d: the bias", bias, outputs),
    ])?;
    y.check("local2d: the output", size.outputs())?;
    let sizes = (size.batch, size.filters);
    let launch = size.launch((storage, "forward"), &[x, w, bias, y], size.places(), sizes)?;
    Ok(launch.words(&[u32::from(relu)]))
}

/// `(dy, w, x) → dx`; with `through_relu`, 0 where `x` is not above 0, else `x` is not read.
pub fn local_input_gradient(
    storage: Storage,
    size: &LocalSize,
    [dy, w, x, dx]: [Span; 4],
    through_relu: bool,
) -> Result<Launch> {
    let (outputs, window) = size.weight();
    size.check([
        ("local2d: the gradient", dy, size.outputs()),
        ("local2d: the weight", w, outputs * window),
        ("local2d: the input", x, size.inputs()),
    ])?;
    dx.check("local2d: the input's gradient", size.inputs())?;
    let (pixels, sizes) = (size.input.0 * size.input.1, (size.batch, size.channels));
    let launch = size.launch((storage, "input_gradient"), &[dy, w, x, dx], pixels, sizes)?;
    Ok(launch.words(&[u32::from(through_relu)]))
}

/// `(x, dy) → dw`.
pub fn local_weight_gradient(
    storage: Storage,
    size: &LocalSize,
    [x, dy, dw]: [Span; 3],
) -> Result<Launch> {
    let (outputs, window) = size.weight();
    size.check([
        ("local2d: the input", x, size.inputs()),
        ("local2d: the gradient", dy, size.outputs()),
        ("local2d: the weight's gradient", dw, outputs * window),
    ])?;
    let sizes = (size.filters, window);
    size.launch((storage, "weight_gradient"), &[x, dy, dw], size.places(), sizes)
}
