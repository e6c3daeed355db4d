//! How the output of a batch is cut into tiles, and the tiles into blocks, of which a task takes
//! one.

use std::ops::Range;

use crate::ops::conv2d::geometry::Geometry;

/// Pixels of an input tile in each direction.
pub(super) const TILE: usize = 6;

/// Positions of a tile in the transform domain.
pub(super) const POSITIONS: usize = TILE * TILE;

/// Numbers of channels must be multiples of this, and so of every machine's vectors.
pub(super) const CHANNEL_STEP: usize = 16;

/// Tiles of a block, about: enough to share a read of the weights, few enough for the L2 cache.
pub(super) const BLOCK_TILES: usize = 64;

/// Unused floats between the matrices of two positions. Without them the 36 positions of a tile
/// would often be a power of two apart, and evict each other from the same few sets of the cache.
pub(super) const GAP: usize = 16;

/// The tiles of a batch.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops::conv2d) struct Tiling {
    /// Outputs of a tile in each direction, M.
    pub(super) outputs: usize,
    /// Rows and columns of tiles in an image.
    pub(super) tiles: (usize, usize),
    /// Images of a block.
    pub(super) images: usize,
    /// Rows of tiles that a block has of each of its images.
    pub(super) rows: usize,
}

/// The tiles of one task.
#[derive(Debug, Clone)]
pub(super) struct TileBlock {
    pub(super) images: Range<usize>,
    /// Rows of tiles in each image.
    pub(super) rows: Range<usize>,
}

impl Tiling {
    /// For a convolution that is faster this way; `None` for others.
    pub(in crate::ops::conv2d) fn of(g: &Geometry) -> Option<Self> {
        let outputs = match g.kernel {
            (3, 3) => 4,
            (5, 5) => 2,
            _ => return None,
        };
        let whole = |channels: usize| channels.is_multiple_of(CHANNEL_STEP);
        if g.stride != 1 || !whole(g.group_channels()) || !whole(g.group_out_channels()) {
            return None;
        }
        let tiles = (g.output.0.div_ceil(outputs), g.output.1.div_ceil(outputs));
        let of_image = tiles.0 * tiles.1;
        // Not worth it if the parts of tiles beyond the edge and the transforms cost what is saved,
        // or if few tiles use the transformed weights.
        let saves = 2 * of_image * POSITIONS <= g.out_pixels() * g.taps();
        if !saves || of_image * g.batch < BLOCK_TILES / 2 {
            return None;
        }
        let (images, rows) = match of_image {
            0..=BLOCK_TILES => (BLOCK_TILES / of_image, tiles.0),
            _ => (1, (BLOCK_TILES / tiles.1).clamp(1, tiles.0)),
        };
        Some(Self { outputs, tiles, images: images.min(g.batch), rows })
    }

    /// Blocks that share their images; more than 1 only where a block has one image.
    pub(super) fn strips(&self) -> usize {
        self.tiles.0.div_ceil(self.rows)
    }

    /// Blocks of a batch.
    pub(super) fn blocks(&self, batch: usize) -> usize {
        batch.div_ceil(self.images) * self.strips()
    }

    pub(super) fn block(&self, number: usize, batch: usize) -> TileBlock {
        let (chunk, strip) = (number / self.strips(), number % self.strips());
        let until =
            |first: usize, step: usize, end: usize| first * step..((first + 1) * step).min(end);
        TileBlock {
            images: until(chunk, self.images, batch),
            rows: until(strip, self.rows, self.tiles.0),
        }
    }

    /// Tiles of the largest block.
    pub(super) fn most_tiles(&self) -> usize {
        self.images * self.rows * self.tiles.1
    }

    /// Image, row and column of each tile of a block, in order; rows and columns count tiles.
    pub(super) fn tiles_of(
        &self,
        block: &TileBlock,
    ) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (rows, columns) = (block.rows.clone(), self.tiles.1);
        block.images.clone().flat_map(move |image| {
            rows.clone().flat_map(move |row| (0..columns).map(move |column| (image, row, column)))
        })
    }

    /// The number of tiles of a block.
    pub(super) fn tile_count(&self, block: &TileBlock) -> usize {
        block.images.len() * block.rows.len() * self.tiles.1
    }
}
