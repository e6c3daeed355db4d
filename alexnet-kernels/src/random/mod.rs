//! Random numbers that are functions of a seed and a position.

pub(crate) mod normal;
pub(crate) mod philox;
