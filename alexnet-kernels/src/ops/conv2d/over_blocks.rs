//! A strided convolution as one with stride 1 over blocks of stride × stride pixels.
//!
//! ```text
//! w′[o, (dy·s + dx)·C + c, i, j] = w[o, c, i·s + dy, j·s + dx]      0 outside the kernel
//! ```
//!
//! The images' blocks are those of `../space_to_depth`. The first layer, a kernel of 11 with stride
//! 4 over 3 channels, becomes a kernel of 3 with stride 1 over 48 channels. A fifth of its weights
//! are zeros, but it can run by Winograd's transforms, and on the tensor cores of a GPU, which take
//! channels in multiples of 8. The sums are the same to rounding. Padding becomes pixels of zeros.

use candle_core::{Result, Shape, bail};

use super::config::{Conv2dConfig, Padding};
use super::geometry::Geometry;
use crate::ops::space_to_depth::SpaceToDepth;

/// A strided convolution, and the one with stride 1 over blocks that computes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OverBlocks {
    /// The convolution over blocks.
    pub(super) plain: Geometry,
    /// Height and width of the strided kernel.
    pub(super) kernel: (usize, usize),
    /// Channels of a pixel.
    pub(super) channels: usize,
    /// Pixels of a side of a block: the stride.
    pub(super) side: usize,
}

impl OverBlocks {
    /// The same convolution over blocks; `None` without a stride, and in groups.
    pub(super) fn of(g: &Geometry) -> Option<Self> {
        if g.stride == 1 || g.groups != 1 {
            return None;
        }
        let kernel = (g.kernel.0.div_ceil(g.stride), g.kernel.1.div_ceil(g.stride));
        let plain = Geometry {
            input: (g.output.0 + kernel.0 - 1, g.output.1 + kernel.1 - 1),
            kernel,
            channels: g.stride * g.stride * g.channels,
            stride: 1,
            padding: Padding::same(0),
            ..*g
        };
        Some(Self { plain, kernel: g.kernel, channels: g.channels, side: g.stride })
    }

    /// The convolution of images that are in blocks already, `(B, s·s·C, rows, columns)`, by
    /// weights `(O, C, kH, kW)`.
    pub(super) fn of_blocks(
        config: &Conv2dConfig,
        blocks: [usize; 4],
        (outputs, channels, kernel_h, kernel_w): (usize, usize, usize, usize),
    ) -> Result<Self> {
        let side = config.stride;
        if config.groups != 1 || blocks[1] != side * side * channels {
            bail!(
                "conv2d: images {blocks:?} are no blocks of {side}x{side} pixels of {channels} \
                 channels"
            )
        }
        let (rows, columns) = (kernel_h.div_ceil(side), kernel_w.div_ceil(side));
        let config = Conv2dConfig::default();
        let plain = Geometry::new(&config, blocks, (outputs, blocks[1], rows, columns))?;
        Ok(Self { plain, kernel: (kernel_h, kernel_w), channels, side })
    }

    /// The element of the strided patch, (kH, kW, C), that is element `k` of the plain one, (kH',
    /// kW', stride, stride, C); `None` if that lies beyond the kernel.
    pub(super) fn element(&self, k: usize) -> Option<usize> {
        let (s, (kernel_h, kernel_w)) = (self.side, self.kernel);
        let (tap, phase) = (k / self.plain.channels, k % self.plain.channels / self.channels);
        let i = tap / self.plain.kernel.1 * s + phase / s;
        let j = tap % self.plain.kernel.1 * s + phase % s;
        (i < kernel_h && j < kernel_w)
            .then(|| (i * kernel_w + j) * self.channels + k % self.channels)
    }

    /// `(O, kH, kW, C)` of the strided weights.
    pub(super) fn weight_shape(&self) -> Shape {
        Shape::from((self.plain.out_channels, self.kernel.0, self.kernel.1, self.channels))
    }

    /// Floats of the strided patch.
    pub(super) fn patch(&self) -> usize {
        self.kernel.0 * self.kernel.1 * self.channels
    }

    /// The gradient of the weights (O, kH, kW, C) from that of the weights in blocks.
    pub(super) fn weights_from_depth(&self, plain: &[f32], dw: &mut [f32]) {
        let patches = plain.chunks_exact(self.plain.patch());
        for (dw, plain) in dw.chunks_exact_mut(self.patch()).zip(patches) {
            for (k, value) in plain.iter().enumerate() {
                if let Some(k) = self.element(k) {
                    dw[k] = *value;
                }
            }
        }
    }

    /// The blocks of the images that `g`, the strided convolution, reads.
    pub(super) fn of_images(&self, g: &Geometry) -> SpaceToDepth {
        let (rows, columns) = self.plain.input;
        let (top, left) = (g.padding.top, g.padding.left);
        SpaceToDepth { side: self.side, top, left, rows, columns }
    }

    /// Whether tensor cores take the blocks as they are, but not the pixels.
    pub(super) fn pays_on_gpu(&self) -> bool {
        !self.channels.is_multiple_of(8) && self.plain.channels.is_multiple_of(8)
    }
}
