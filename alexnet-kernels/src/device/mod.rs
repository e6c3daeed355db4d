//! Devices: their names, their precision, and how they are opened.

pub(crate) mod choice;
pub(crate) mod compute;
pub(crate) mod error;
pub(crate) mod memory;
pub(crate) mod name;
pub(crate) mod names;
pub(crate) mod precision;
