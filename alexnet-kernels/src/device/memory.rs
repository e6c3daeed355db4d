//! How much memory a GPU has.

/// How much memory a card has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardMemory {
    /// What nobody uses.
    pub free: u64,
    /// All of it.
    pub total: u64,
}
