//! Response normalization: across channels (LRN) and within a map. Both divide an element by a
//! power of the sum of squares in a window around it.

pub(crate) mod launch;
pub(crate) mod lrn;
pub(crate) mod map_norm;
pub(crate) mod norm;
mod power;
pub(crate) mod reference;
mod window_sums;
