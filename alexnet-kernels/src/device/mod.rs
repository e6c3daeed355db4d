//! Devices: their names, their precision, and how they are opened.

#[cfg(any(test, feature = "cuda"))]
pub(crate) mod capability;
pub(crate) mod compute;
pub(crate) mod error;
pub(crate) mod memory;
pub(crate) mod name;
pub(crate) mod names;
pub(crate) mod precision;
