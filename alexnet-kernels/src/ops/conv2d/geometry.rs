//! The sizes of one convolution, checked once and then passed around.

use super::Padding;

/// Sizes that fit each other; all are at least 1.
#[derive(Debug, Clone, Copy)]
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
    /// The same as cuDNN is told.
    #[cfg(feature = "cuda")]
    pub(super) fn on_card(&self) -> crate::cuda::cudnn::ConvSize {
        let Self { batch, input, output, kernel, channels, out_channels, stride, .. } = *self;
        let Padding { top, left, bottom, right } = self.padding;
        let (padding, groups) = ([top, left, bottom, right], self.groups);
        crate::cuda::cudnn::ConvSize {
            batch,
            input,
            output,
            kernel,
            channels,
            out_channels,
            stride,
            padding,
            groups,
        }
    }

    /// Input channels of one group.
    pub(super) fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    /// Output channels of one group.
    pub(super) fn group_out_channels(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Positions of the kernel, kH·kW.
    pub(super) fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// Floats one output pixel sees in its group.
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
