//! Response normalization: across channels (LRN) and within a map.

#[cfg(feature = "cuda")]
mod cuda;
pub(crate) mod launch;
mod lrn;
mod map_norm;
mod power;
pub(crate) mod reference;
mod window_sums;

pub use lrn::Lrn;
pub use map_norm::MapNorm;
