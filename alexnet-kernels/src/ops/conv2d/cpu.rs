//! Convolution on the CPU: the choice between Winograd and direct convolution.

use candle_core::Result;

use super::direct;
use super::epilogue::Epilogue;
use super::geometry::Geometry;
use super::winograd::forward;
use super::winograd::strided::Strided;
use super::winograd::tiling::Tiling;

/// `y` (B, H', W', O) of `x` (B, H, W, C) by the fastest algorithm; `weight(o, k)` is the weight of
/// output channel `o` for element `k` of a patch.
pub(super) fn convolve(
    g: &Geometry,
    x: &[f32],
    weight: impl Fn(usize, usize) -> f32 + Sync,
    epilogue: Epilogue<'_>,
    y: &mut [f32],
) -> Result<()> {
    match (Tiling::of(g), Strided::of(g)) {
        (Some(tiling), _) => forward::convolve(g, tiling, x, weight, epilogue, y),
        (None, Some(strided)) => strided.convolve(x, weight, epilogue, y),
        (None, None) => direct::convolve(g, x, weight, epilogue, y),
    }
}
