//! A bias on GPUs: adding it, and its gradient. On the processor both are part of the operation that has the bias.

#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod launch;
