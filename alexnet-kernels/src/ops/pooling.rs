//! Where the windows of a pooling lie, for every kind of it.

use std::ops::Range;

use candle_core::{Result, bail};

/// The windows along one dimension of a map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    /// Whether a last window may hang over the edge.
    pub(crate) ceil: bool,
}

impl Windows {
    /// How many windows there are in both directions of a map; `op` names the operation in errors.
    pub(crate) fn count(&self, op: &str, map: (usize, usize)) -> Result<(usize, usize)> {
        Ok((self.count_along(op, map.0)?, self.count_along(op, map.1)?))
    }

    fn count_along(&self, op: &str, input: usize) -> Result<usize> {
        let Self { kernel, stride, ceil } = *self;
        if kernel == 0 || stride == 0 {
            bail!("{op}: kernel {kernel} and stride {stride} must be at least 1")
        }
        if kernel > input {
            bail!("{op}: the kernel, {kernel} pixels, is larger than the map, {input}")
        }
        let steps = input - kernel;
        let last = if ceil { steps.div_ceil(stride) } else { steps / stride };
        // With stride > kernel the last window may begin outside the map.
        Ok(if last * stride < input { last + 1 } else { last })
    }
}

/// Of `count` windows along one dimension those that contain the pixel `at`.
#[inline(always)]
pub(crate) fn windows_over(
    at: usize,
    (kernel, stride): (usize, usize),
    count: usize,
) -> Range<usize> {
    (at + 1).saturating_sub(kernel).div_ceil(stride)..(at / stride + 1).min(count)
}
