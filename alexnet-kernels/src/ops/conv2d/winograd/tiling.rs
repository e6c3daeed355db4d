//! How the tiles of a batch lie and are shared out among threads.

use std::ops::Range;

use super::super::geometry::Geometry;

/// Pixels of a tile in each direction.
pub(super) const SIDE: usize = 6;

/// Pixels of a tile.
pub(super) const PLACES: usize = SIDE * SIDE;

/// Channels are taken by this many, a multiple of every vector.
pub(super) const CHANNELS: usize = 16;

/// Tiles of a unit, about: enough to read the weights for, few enough for the cache.
pub(super) const UNIT: usize = 64;

/// Floats between the places of a tile beyond what they hold: without it, all would fall into few lines of the
/// caches.
pub(super) const GAP: usize = 16;

/// How the tiles of a batch lie and are shared out.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Tiling {
    /// Results of a tile in each direction, M.
    pub(super) results: usize,
    /// Rows and columns of tiles in an image.
    pub(super) tiles: (usize, usize),
    /// Images of a unit.
    pub(super) images: usize,
    /// Rows of tiles of a unit, of each image.
    pub(super) rows: usize,
}

/// Some tiles.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) images: Range<usize>,
    /// Rows of tiles, of each image.
    pub(super) rows: Range<usize>,
}

impl Tiling {
    /// For a convolution that is faster this way; `None` for others.
    pub(in super::super) fn of(g: &Geometry) -> Option<Self> {
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
    pub(super) fn strips(&self) -> usize {
        self.tiles.0.div_ceil(self.rows)
    }

    /// All units of a batch.
    pub(super) fn units(&self, batch: usize) -> usize {
        batch.div_ceil(self.images) * self.strips()
    }

    pub(super) fn unit(&self, number: usize, batch: usize) -> Unit {
        let (run, strip) = (number / self.strips(), number % self.strips());
        let until =
            |first: usize, step: usize, end: usize| first * step..((first + 1) * step).min(end);
        Unit { images: until(run, self.images, batch), rows: until(strip, self.rows, self.tiles.0) }
    }

    /// Tiles of the largest unit.
    pub(super) fn most(&self) -> usize {
        self.images * self.rows * self.tiles.1
    }

    /// Image, and row and column in tiles, of each tile of a unit, in order.
    pub(super) fn places(
        &self,
        unit: &Unit,
    ) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (rows, columns) = (unit.rows.clone(), self.tiles.1);
        unit.images.clone().flat_map(move |image| {
            rows.clone().flat_map(move |row| (0..columns).map(move |column| (image, row, column)))
        })
    }

    /// How many tiles a unit has.
    pub(super) fn count(&self, unit: &Unit) -> usize {
        unit.images.len() * unit.rows.len() * self.tiles.1
    }
}
