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
mod kernels;
mod space_to_depth;
mod transform;
mod weight_grad;

use std::ops::Range;

use super::geometry::Geometry;

pub(super) use forward::convolve;
pub(super) use space_to_depth::Phases;
pub(super) use weight_grad::weight_gradient;

/// Pixels of a tile in each direction.
const SIDE: usize = 6;

/// Pixels of a tile.
const PLACES: usize = SIDE * SIDE;

/// Channels are taken by this many, a multiple of every vector.
const CHANNELS: usize = 16;

/// Tiles of a unit, about: enough to read the weights for, few enough for the cache.
const UNIT: usize = 64;

/// Floats between the places of a tile beyond what they hold: without it, all would fall into few lines of the
/// caches.
const GAP: usize = 16;

/// How the tiles of a batch lie and are shared out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiling {
    /// Results of a tile in each direction, M.
    results: usize,
    /// Rows and columns of tiles in an image.
    tiles: (usize, usize),
    /// Images of a unit.
    images: usize,
    /// Rows of tiles of a unit, of each image.
    rows: usize,
}

/// Some tiles.
#[derive(Debug, Clone)]
struct Unit {
    images: Range<usize>,
    /// Rows of tiles, of each image.
    rows: Range<usize>,
}

impl Tiling {
    /// For a convolution that is faster this way; `None` for others.
    pub(super) fn of(g: &Geometry) -> Option<Self> {
        let results = match g.kernel {
            (3, 3) => 4,
            (5, 5) => 2,
            _ => return None,
        };
        let whole = |channels: usize| channels.is_multiple_of(CHANNELS);
        if g.stride != 1 || !whole(g.group_channels()) || !whole(g.group_out_channels()) {
            return None;
        }
        let tiles = (g.output.0.div_ceil(results), g.output.1.div_ceil(results));
        let of_image = tiles.0 * tiles.1;
        // Tiles that hang over the edge and the transforms must not eat up what is saved, and the weights'
        // transforms want to be used more than a few times.
        let saves = 2 * of_image * PLACES <= g.out_pixels() * g.taps();
        if !saves || of_image * g.batch < UNIT / 2 {
            return None;
        }
        let (images, rows) = match of_image {
            0..=UNIT => (UNIT / of_image, tiles.0),
            _ => (1, (UNIT / tiles.1).clamp(1, tiles.0)),
        };
        Some(Self { results, tiles, images: images.min(g.batch), rows })
    }

    /// Units of one run of images.
    fn strips(&self) -> usize {
        self.tiles.0.div_ceil(self.rows)
    }

    /// All units of a batch.
    fn units(&self, batch: usize) -> usize {
        batch.div_ceil(self.images) * self.strips()
    }

    fn unit(&self, number: usize, batch: usize) -> Unit {
        let (run, strip) = (number / self.strips(), number % self.strips());
        let until =
            |first: usize, step: usize, end: usize| first * step..((first + 1) * step).min(end);
        Unit { images: until(run, self.images, batch), rows: until(strip, self.rows, self.tiles.0) }
    }

    /// Tiles of the largest unit.
    fn most(&self) -> usize {
        self.images * self.rows * self.tiles.1
    }

    /// Image, and row and column in tiles, of each tile of a unit, in order.
    fn places(&self, unit: &Unit) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (rows, columns) = (unit.rows.clone(), self.tiles.1);
        unit.images.clone().flat_map(move |image| {
            rows.clone().flat_map(move |row| (0..columns).map(move |column| (image, row, column)))
        })
    }

    /// How many tiles a unit has.
    fn count(&self, unit: &Unit) -> usize {
        unit.images.len() * unit.rows.len() * self.tiles.1
    }
}
