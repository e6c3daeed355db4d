//! Launches of the input layer.
#![allow(clippy::missing_errors_doc)] // `cuda/launch.rs` says what is refused

use candle_core::{Result, bail};

use crate::cuda::launch::{Launch, MapSize, Span, Storage};
use crate::ops::space_to_depth::SpaceToDepth;

/// Where the bytes of images lie, and the numbers that are made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSizes {
    /// Height and width of an image.
    pub size: (usize, usize),
    /// The blocks in which the numbers lie; `None` where they lie as the bytes.
    pub blocks: Option<SpaceToDepth>,
}

/// Pixels `(B, H, W, 3)` u8, a mean of 3 or H·W·3 floats and shifts `(B, 3)` to `y`.
pub fn input(
    storage: Storage,
    [pixels, mean, shift, y]: [Span; 4],
    sizes: InputSizes,
    scale: [f32; 3],
) -> Result<Launch> {
    if mean.length != 3 {
        mean.check("input: the mean", sizes.floats())?;
    }
    let launch = sizes.launch(storage, "input", &[pixels, mean, shift, y])?;
    Ok(launch.sizes(&[mean.length as usize])?.floats(&scale))
}

/// Crops with the mean of whole images, `mean_width` pixels wide, and for each crop a window (top,
/// left, flip) that lies inside them.
pub fn input_aligned(
    storage: Storage,
    spans: [Span; 5],
    sizes: InputSizes,
    mean_width: usize,
    scale: [f32; 3],
) -> Result<Launch> {
    let [pixels, _, windows, ..] = spans;
    let launch = sizes.launch(storage, "input_aligned", &spans)?;
    windows.check("input: the windows", pixels.length as usize / sizes.floats() * 3)?;
    Ok(launch.sizes(&[mean_width])?.floats(&scale))
}

impl InputSizes {
    fn floats(&self) -> usize {
        self.size.0 * self.size.1 * 3
    }

    /// The launch over all numbers; `spans` begin with the pixels and end with the colour shifts
    /// and `y`.
    fn launch(&self, storage: Storage, op: &str, spans: &[Span]) -> Result<Launch> {
        let &[pixels, .., shift, y] = spans else { bail!("input: buffers are missing") };
        let (elements, floats) = (pixels.length as usize, self.floats());
        if floats == 0 || !elements.is_multiple_of(floats) {
            bail!("input: {elements} bytes are no images of {floats}")
        }
        let batch = elements / floats;
        shift.check("input: the colour shift", 3 * batch)?;
        let (height, width) = self.size;
        let (blocks, size) = match self.blocks {
            Some(blocks) => (blocks, MapSize { height, width, channels: 3 }),
            None => {
                let lines = SpaceToDepth { side: 1, top: 0, left: 0, rows: height, columns: 1 };
                (lines, MapSize { height, width: 1, channels: 3 * width })
            }
        };
        let numbers: usize = blocks.shape(batch, size.channels).iter().product();
        y.check("input: the output", numbers)?;
        let vector = blocks.vector(size, &[(pixels, 1), (y, storage.bytes())]);
        let kernel = format!("{op}_{}_v{vector}", storage.name());
        blocks.sizes(size, Launch::each("input", kernel, spans, numbers / vector)?)
    }
}
