//! A strided convolution by Winograd's transforms, over blocks of pixels (`conv2d/over_blocks.rs`).

use candle_core::Result;

use super::tiling::{POSITIONS, Tiling};
use super::{forward, weight_grad};
use crate::cpu::scratch::Scratch;
use crate::cuda::launch::MapSize;
use crate::ops::conv2d::epilogue::Epilogue;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::over_blocks::OverBlocks;

/// A strided convolution that is faster this way.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops::conv2d) struct Strided {
    /// The convolution that was asked for.
    strided: Geometry,
    /// The same convolution over blocks.
    blocks: OverBlocks,
    tiling: Tiling,
}

impl Strided {
    /// For a convolution that is faster this way; `None` for others.
    pub(in crate::ops::conv2d) fn of(g: &Geometry) -> Option<Self> {
        let blocks = OverBlocks::of(g)?;
        let tiling = Tiling::of(&blocks.plain)?;
        let multiplications = tiling.tiles.0 * tiling.tiles.1 * POSITIONS * blocks.plain.channels;
        let saves = 2 * multiplications <= g.out_pixels() * g.patch();
        saves.then_some(Self { strided: *g, blocks, tiling })
    }

    /// [`forward::convolve`] for the strided convolution.
    pub(in crate::ops::conv2d) fn convolve(
        &self,
        x: &[f32],
        weight: impl Fn(usize, usize) -> f32 + Sync,
        epilogue: Epilogue<'_>,
        y: &mut [f32],
    ) -> Result<()> {
        let x = self.in_blocks(x)?;
        let weight = |o, k| self.blocks.element(k).map_or(0.0, |k| weight(o, k));
        forward::convolve(&self.blocks.plain, self.tiling, &x, weight, epilogue, y)
    }

    /// [`weight_grad::weight_gradient`] for the strided convolution.
    pub(in crate::ops::conv2d) fn weight_gradient(
        &self,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
    ) -> Result<()> {
        let (x, g) = (self.in_blocks(x)?, &self.blocks.plain);
        // SAFETY: the next call writes all of it.
        let mut plain = unsafe { Scratch::uninit(g.out_channels * g.patch())? };
        weight_grad::weight_gradient(g, self.tiling, &x, dy, &mut plain)?;
        self.blocks.weights_from_depth(&plain, dw);
        Ok(())
    }

    /// `x` (B, H, W, C) and its padding as (B, H', W', stride, stride, C).
    fn in_blocks(&self, x: &[f32]) -> Result<Scratch> {
        let g = &self.strided;
        let size = MapSize { height: g.input.0, width: g.input.1, channels: g.channels };
        // SAFETY: the next call writes all of it.
        let mut to = unsafe { Scratch::uninit(g.batch * self.blocks.plain.image())? };
        self.blocks.of_images(g).rearrange(size, x, &mut to);
        Ok(to)
    }
}
