//! Space-to-depth: a strided convolution as one with stride 1, by making channels of the pixels of
//! each stride × stride square.
//!
//! The first layer, a kernel of 11 with stride 4 over 3 channels, becomes a kernel of 3 with stride
//! 1 over 48 channels. A fifth of its weights are zeros, but it can run by Winograd's transforms.
//! Padding becomes pixels of zeros.

use candle_core::Result;
use rayon::prelude::*;

use super::tiling::{POSITIONS, Tiling};
use super::{forward, weight_grad};
use crate::cpu::scratch::Scratch;
use crate::ops::conv2d::config::Padding;
use crate::ops::conv2d::epilogue::Epilogue;
use crate::ops::conv2d::geometry::Geometry;

/// A strided convolution and the one with stride 1 that computes it.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops::conv2d) struct SpaceToDepth {
    /// The convolution that was asked for.
    strided: Geometry,
    /// The same convolution with stride 1.
    plain: Geometry,
    tiling: Tiling,
}

impl SpaceToDepth {
    /// For a convolution that is faster this way; `None` for others.
    pub(in crate::ops::conv2d) fn of(g: &Geometry) -> Option<Self> {
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
        let tiling = Tiling::of(&plain)?;
        let multiplications = tiling.tiles.0 * tiling.tiles.1 * POSITIONS * plain.channels;
        let saves = 2 * multiplications <= g.out_pixels() * g.patch();
        saves.then_some(Self { strided: *g, plain, tiling })
    }

    /// [`forward::convolve`] for the strided convolution.
    pub(in crate::ops::conv2d) fn convolve(
        &self,
        x: &[f32],
        weight: impl Fn(usize, usize) -> f32 + Sync,
        epilogue: Epilogue<'_>,
        y: &mut [f32],
    ) -> Result<()> {
        let x = self.space_to_depth(x)?;
        let weight = |o, k| self.element(k).map_or(0.0, |k| weight(o, k));
        forward::convolve(&self.plain, self.tiling, &x, weight, epilogue, y)
    }

    /// [`weight_grad::weight_gradient`] for the strided convolution.
    pub(in crate::ops::conv2d) fn weight_gradient(
        &self,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
    ) -> Result<()> {
        let x = self.space_to_depth(x)?;
        let (patch, plain_patch) = (self.strided.patch(), self.plain.patch());
        // SAFETY: the next call writes all of it.
        let mut plain = unsafe { Scratch::uninit(self.plain.out_channels * plain_patch)? };
        weight_grad::weight_gradient(&self.plain, self.tiling, &x, dy, &mut plain)?;
        for (dw, plain) in dw.chunks_exact_mut(patch).zip(plain.chunks_exact(plain_patch)) {
            for (k, value) in plain.iter().enumerate() {
                if let Some(k) = self.element(k) {
                    dw[k] = *value;
                }
            }
        }
        Ok(())
    }

    /// The element of the strided patch, (kH, kW, C), that is element `k` of the plain one, (kH',
    /// kW', stride, stride, C); `None` if that lies beyond the kernel.
    fn element(&self, k: usize) -> Option<usize> {
        let (g, s) = (&self.strided, self.strided.stride);
        let (tap, phase) = (k / self.plain.channels, k % self.plain.channels / g.channels);
        let i = tap / self.plain.kernel.1 * s + phase / s;
        let j = tap % self.plain.kernel.1 * s + phase % s;
        (i < g.kernel.0 && j < g.kernel.1)
            .then(|| (i * g.kernel.1 + j) * g.channels + k % g.channels)
    }

    /// `x` (B, H, W, C) and its padding as (B, H', W', stride, stride, C).
    fn space_to_depth(&self, x: &[f32]) -> Result<Scratch> {
        let (g, plain) = (&self.strided, &self.plain);
        let (run, row) = (g.stride * g.channels, g.input.1 * g.channels);
        // SAFETY: the loop below writes all of it.
        let mut to = unsafe { Scratch::uninit(g.batch * plain.image())? };
        let rows = to.par_chunks_mut(plain.input.1 * plain.channels).enumerate();
        rows.for_each(|(number, to)| {
            let (image, above) = (number / plain.input.0, number % plain.input.0);
            let x = &x[image * g.image()..][..g.image()];
            for phase in 0..g.stride {
                let from = (above * g.stride + phase).wrapping_sub(g.padding.top);
                let from = if from < g.input.0 { &x[from * row..][..row] } else { &[] };
                for (column, to) in to.chunks_exact_mut(plain.channels).enumerate() {
                    let to = &mut to[phase * run..][..run];
                    let first = (column * run) as isize - (g.padding.left * g.channels) as isize;
                    match usize::try_from(first).ok().and_then(|f| from.get(f..f + run)) {
                        Some(from) => to.copy_from_slice(from),
                        None => {
                            for (at, to) in (first..).zip(to) {
                                let value = usize::try_from(at).ok().and_then(|at| from.get(at));
                                *to = value.copied().unwrap_or(0.0);
                            }
                        }
                    }
                }
            }
        });
        Ok(to)
    }
}
