//! How the input of a convolution lies in memory.

use candle_core::{Result, Shape, bail};

use super::config::Conv2dConfig;
use super::geometry::Geometry;
use super::over_blocks::OverBlocks;

/// The input of a convolution as it lies in memory.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input {
    /// (B, H, W, C).
    Pixels(Geometry),
    /// In blocks of pixels, (B, rows, columns, s·s·C).
    Blocks(OverBlocks),
    /// The maps of each group by themselves, one after another: (G·B, H, W, C/G). So is the output.
    /// The geometry is that of one of so many groups.
    Apart(Geometry, usize),
}

impl Input {
    /// The input of dimensions `x`, `(B, C, H, W)` or in blocks, or, with `apart`, `(G·B, C/G, H,
    /// W)`, for weights `(O, C/G, kH, kW)`.
    pub(super) fn new(
        config: &Conv2dConfig,
        x @ [batch, channels, h, w]: [usize; 4],
        weight: (usize, usize, usize, usize),
        apart: bool,
    ) -> Result<Self> {
        let (side, groups) = (config.stride, config.groups);
        if apart {
            let (outputs, inputs, kernel_h, kernel_w) = weight;
            if groups == 0 || !batch.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
                bail!(
                    "conv2d: {batch} maps and {outputs} channels are not those of {groups} groups"
                )
            }
            let config = Conv2dConfig { groups: 1, ..*config };
            let of_group = (outputs / groups, inputs, kernel_h, kernel_w);
            let x = [batch / groups, channels, h, w];
            return Ok(Self::Apart(Geometry::new(&config, x, of_group)?, groups));
        }
        if side > 1 && groups == 1 && channels == side * side * weight.1 {
            return OverBlocks::of_blocks(config, x, weight).map(Self::Blocks);
        }
        Geometry::new(config, x, weight).map(Self::Pixels)
    }

    /// The convolution that runs: over the input as it lies, or over that of one group.
    pub(super) fn convolved(&self) -> &Geometry {
        match self {
            Self::Pixels(g) | Self::Apart(g, _) => g,
            Self::Blocks(blocks) => &blocks.plain,
        }
    }

    /// How often it runs: over equal parts of all that is read and written.
    pub(super) fn parts(&self) -> usize {
        match self {
            Self::Pixels(_) | Self::Blocks(_) => 1,
            Self::Apart(_, groups) => *groups,
        }
    }

    /// The shape of the input.
    pub(super) fn input_shape(&self) -> Shape {
        let g = self.convolved();
        Shape::from((self.parts() * g.batch, g.input.0, g.input.1, g.channels))
    }

    /// The shape of the output, channels last: (B, H', W', O), or apart.
    pub(super) fn output_shape(&self) -> Shape {
        let g = self.convolved();
        Shape::from((self.parts() * g.batch, g.output.0, g.output.1, g.out_channels))
    }

    /// `(O, kH, kW, C/groups)`.
    pub(super) fn weight_shape(&self) -> Shape {
        let g = self.convolved();
        match self {
            Self::Blocks(blocks) => blocks.weight_shape(),
            _ => Shape::from((self.outputs(), g.kernel.0, g.kernel.1, g.group_channels())),
        }
    }

    /// Output channels of all parts.
    pub(super) fn outputs(&self) -> usize {
        self.parts() * self.convolved().out_channels
    }
}

/// A slice in so many equal parts.
pub(super) fn equal<T>(all: &[T], parts: usize) -> std::slice::ChunksExact<'_, T> {
    all.chunks_exact((all.len() / parts).max(1))
}

/// The same, to be written.
pub(super) fn equal_mut<T>(all: &mut [T], parts: usize) -> std::slice::ChunksExactMut<'_, T> {
    let part = (all.len() / parts).max(1);
    all.chunks_exact_mut(part)
}
