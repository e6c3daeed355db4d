//! Convolution with fewer products: Winograd's minimal filtering, for kernels of 3 and 5 and stride 1.
//!
//! ```text
//! Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        a tile d of 6 × 6 pixels gives M × M results, M = 7 − kernel
//! dg = Gᵀ [ Σ (Bᵀ d B) ⊙ (A dY Aᵀ) ] G     over all tiles
//! ```
//!
//! ⊙ is a product of matrices over channels at each of the 36 places of a tile. A result takes 36/M² products a
//! channel in place of kernel²: 2.25 in place of 9, or 9 in place of 25. The matrices are those of the points
//! 0, 1, −1, 2, −½ and ∞. Their rounding error is that of a plain sum of fp32 about twice over (the tests hold
//! it to less than four times); the more usual ±2 doubles it once more.
//!
//! The tiles of a batch are cut into units, some rows of one image or all of a few, whose transformed pixels and
//! sums stay in the second cache. All cuts follow from the sizes alone.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015 (arXiv 1509.09308).

mod forward;
mod space_to_depth;
mod tiling;
mod transform;
mod weight_grad;
mod weights;

pub(super) use self::forward::convolve;
pub(super) use self::space_to_depth::SpaceToDepth;
pub(super) use self::tiling::Tiling;
pub(super) use self::weight_grad::weight_gradient;
