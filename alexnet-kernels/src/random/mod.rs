//! Random numbers as functions of seed and position.

pub(crate) mod normal;
pub(crate) mod philox;
