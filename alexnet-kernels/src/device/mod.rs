//! Devices: their names, how precisely they compute, opening them.

#[cfg(any(test, feature = "cuda"))]
pub(crate) mod capability;
pub(crate) mod compute;
pub(crate) mod error;
pub(crate) mod memory;
pub(crate) mod name;
pub(crate) mod names;
pub(crate) mod precision;
