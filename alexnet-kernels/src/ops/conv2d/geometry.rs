//! The sizes of one convolution, which are checked once.

use candle_core::{Result, Shape, bail};

use super::config::{Conv2dConfig, Padding};

/// The sizes of a convolution, which fit each other; all but the padding are at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Geometry {
    pub(super) batch: usize,
    /// Height and width of the input map, without padding.
    pub(super) input: (usize, usize),
    /// Height and width of the output map.
    pub(super) output: (usize, usize),
    /// Height and width of the kernel.
    pub(super) kernel: (usize, usize),
    pub(super) channels: usize,
    pub(super) out_channels: usize,
    pub(super) stride: usize,
    pub(super) padding: Padding,
    pub(super) groups: usize,
}

impl Geometry {
    /// Sizes for an input `(B, C, H, W)` and weights `(O, C/groups, kH, kW)`, checked.
    pub(super) fn new(
        config: &Conv2dConfig,
        [batch, channels, h, w]: [usize; 4],
        (out_channels, w_channels, kernel_h, kernel_w): (usize, usize, usize, usize),
    ) -> Result<Self> {
        let Conv2dConfig { stride, padding, groups } = *config;
        if groups == 0 || !channels.is_multiple_of(groups) || !out_channels.is_multiple_of(groups) {
            bail!("conv2d: {groups} groups do not divide {channels} and {out_channels} channels")
        }
        if w_channels != channels / groups {
            let expected = channels / groups;
            bail!("conv2d: the weight must take {expected} channels a group, takes {w_channels}")
        }
        let (input, kernel) = ((h, w), (kernel_h, kernel_w));
        let output = config.output_size(input, kernel)?;
        Ok(Self { batch, input, output, kernel, channels, out_channels, stride, padding, groups })
    }

    /// `(B, H, W, C)`.
    #[cfg(feature = "cuda")]
    pub(super) fn input_shape(&self) -> Shape {
        Shape::from((self.batch, self.input.0, self.input.1, self.channels))
    }

    /// `(O, kH, kW, C/groups)`.
    pub(super) fn weight_shape(&self) -> Shape {
        let (kernel_h, kernel_w) = self.kernel;
        Shape::from((self.out_channels, kernel_h, kernel_w, self.group_channels()))
    }

    /// Input channels of one group.
    pub(super) fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    /// Output channels of one group.
    pub(super) fn group_out_channels(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Taps: the positions of the kernel, kH·kW.
    pub(super) fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// Floats of a patch: what one output pixel sees, in its group.
    pub(super) fn patch(&self) -> usize {
        self.taps() * self.group_channels()
    }

    /// Floats of one input image.
    pub(super) fn image(&self) -> usize {
        self.input.0 * self.input.1 * self.channels
    }

    /// Pixels of one output image.
    pub(super) fn out_pixels(&self) -> usize {
        self.output.0 * self.output.1
    }
}
