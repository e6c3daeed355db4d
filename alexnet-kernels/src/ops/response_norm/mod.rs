//! Response normalization: across channels (LRN) and within a map.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
pub(crate) mod lrn;
pub(crate) mod map_norm;
mod power;
pub(crate) mod reference;
mod window_sums;
