//! What crosses between devices.

pub(crate) mod channels;
#[cfg(feature = "cuda")]
pub(crate) mod peer;
pub(crate) mod route;
pub(crate) mod send;
