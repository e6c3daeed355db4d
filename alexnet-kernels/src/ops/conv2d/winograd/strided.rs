//! A strided convolution by Winograd's transforms, over blocks of pixels
//! (`conv2d/space_to_depth.rs`).

use candle_core::Result;

use super::tiling::{POSITIONS, Tiling};
use super::{forward, weight_grad};
use crate::cpu::scratch::Scratch;
use crate::ops::conv2d::epilogue::Epilogue;
use crate::ops::conv2d::geometry::Geometry;
use crate::ops::conv2d::space_to_depth::SpaceToDepth;

/// A strided convolution that is faster this way.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops::conv2d) struct Strided {
    /// The convolution that was asked for.
    strided: Geometry,
    /// The same convolution over blocks.
    blocks: SpaceToDepth,
    tiling: Tiling,
}

impl Strided {
    /// For a convolution that is faster this way; `None` for others.
    pub(in crate::ops::conv2d) fn of(g: &Geometry) -> Option<Self> {
        let blocks = SpaceToDepth::of(g)?;
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
        let x = self.blocks.space_to_depth(&self.strided, x)?;
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
        let (x, g) = (self.blocks.space_to_depth(&self.strided, x)?, &self.blocks.plain);
        // SAFETY: the next call writes all of it.
        let mut plain = unsafe { Scratch::uninit(g.out_channels * g.patch())? };
        weight_grad::weight_gradient(g, self.tiling, &x, dy, &mut plain)?;
        self.blocks.weights_from_depth(&plain, dw);
        Ok(())
    }
}
