//! The constants of the update.

/// The constants of one update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub rate: f32,
    /// Part of the velocity that stays.
    pub momentum: f32,
    /// Weight decay; multiplied by `rate`.
    pub decay: f32,
}
