//! How much memory a GPU has.

/// The memory of a GPU, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuMemory {
    /// What tensors can still be allocated from.
    pub free: u64,
    /// All of it.
    pub total: u64,
}
