//! Winograd convolution with tiles of 6 × 6 pixels, for kernels of 3 and 5 and stride 1.
//!
//! ```text
//!  Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A       a tile d of 6 × 6 pixels gives M × M outputs, M = 7 − K
//! dg = Gᵀ [ Σ (Bᵀ d B) ⊙ (A dY Aᵀ) ] G     the sum is over all tiles; g is a kernel of K × K
//! ```
//!
//! In the literature's notation these are F(4×4, 3×3) and F(2×2, 5×5). An output takes 36/M²
//! multiplications per channel instead of K²: 2.25 instead of 9, and 9 instead of 25. The
//! transforms need sums and short constants only, and are used many times: those of a tile by all
//! output channels, those of a kernel by all tiles.
//!
//! In the transform domain the 36 positions of a tile do not mix. So ⊙, over all tiles and
//! channels, is a GEMM for each position: (tiles, C/groups) · (C/groups, O/groups). A task does the
//! three steps for a block of about 64 tiles, which are some rows of one image or all tiles of a
//! few:
//!
//! ```text
//! Bᵀ d B     x  →  inputs (36, tiles, C/groups)
//! GEMM       inputs · weights (36, C/groups, width)  →  sums (36, panels, tiles, width)
//! Aᵀ · A     sums  →  y
//! ```
//!
//! Inputs and sums of a block stay in the L2 cache, and 64 tiles share each read of the weights,
//! which are transformed and packed into panels once a call. How the tiles are cut into blocks
//! follows from the sizes alone, so the result has the same bits for any number of threads.
//!
//! The matrices A, B and G belong to the interpolation points 0, 1, −1, 2, −½ and ∞. With them the
//! rounding error is about twice that of a plain sum in f32 (the tests require less than four
//! times); with the more usual points ±2 it is twice that again.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015 (arXiv
//! 1509.09308).

pub(super) mod forward;
pub(super) mod strided;
pub(super) mod tiling;
mod transform;
pub(super) mod weight_grad;
mod weights;
