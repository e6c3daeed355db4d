//! A decoded image.

/// A decoded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// height × width × 3 bytes: rows first, then columns, then R, G, B.
    pub data: Vec<u8>,
    /// The fault of a damaged file that could be decoded all the same.
    pub damage: Option<String>,
}

impl Pixels {
    /// An undamaged image of `height` × `width` pixels.
    pub fn new(height: usize, width: usize, data: Vec<u8>) -> Self {
        Self { height, width, data, damage: None }
    }
}
