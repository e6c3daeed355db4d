//! Stride, padding and groups of a convolution.

use candle_core::{Result, bail};

/// The zeros around a map, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// `pixels` on all sides.
    pub const fn same(pixels: usize) -> Self {
        Self { top: pixels, bottom: pixels, left: pixels, right: pixels }
    }

    /// `pixels` below and to the right only, as the authors' program pads its images.
    pub const fn right_bottom(pixels: usize) -> Self {
        Self { top: 0, bottom: pixels, left: 0, right: pixels }
    }
}

/// Stride, padding and groups of a convolution; the size of its kernel is that of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dConfig {
    /// Distance between windows, in pixels, the same in both directions.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: Padding,
    /// Equal groups of channels: outputs of a group are computed from inputs of the same group
    /// only.
    pub groups: usize,
}

impl Default for Conv2dConfig {
    /// Stride 1, no padding, one group.
    fn default() -> Self {
        Self { stride: 1, padding: Padding::same(0), groups: 1 }
    }
}

impl Conv2dConfig {
    /// Height and width of the output for an input and a kernel of the given heights and widths.
    ///
    /// # Errors
    ///
    /// Stride or kernel 0, a kernel larger than the padded map, padding as large as the kernel.
    pub fn output_size(
        &self,
        input: (usize, usize),
        kernel: (usize, usize),
    ) -> Result<(usize, usize)> {
        let Padding { top, bottom, left, right } = self.padding;
        let length = |input: usize, kernel: usize, before: usize, after: usize| {
            if self.stride == 0 || kernel == 0 {
                bail!("conv2d: stride {} and kernel {kernel} must be at least 1", self.stride)
            }
            if before >= kernel || after >= kernel {
                bail!("conv2d: padding {before} and {after} must be below the kernel, {kernel}")
            }
            // Saturation is harmless: no kernel can be that large.
            let padded = input.saturating_add(before).saturating_add(after);
            if kernel > padded {
                bail!("conv2d: the kernel, {kernel}, is larger than the padded map, {padded}")
            }
            Ok((padded - kernel) / self.stride + 1)
        };
        Ok((length(input.0, kernel.0, top, bottom)?, length(input.1, kernel.1, left, right)?))
    }
}
