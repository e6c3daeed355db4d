//! The log of a run: what happens becomes a line of it, which is read again later.

pub(crate) mod event;
pub(crate) mod follow;
pub(crate) mod read;
