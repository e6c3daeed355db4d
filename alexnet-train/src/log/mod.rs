//! The logs of a run: what happens becomes a line of `log.jsonl`, which is read again later, a row
//! of a table, and points of TensorBoard's curves.

pub(crate) mod append;
pub(crate) mod csv;
pub(crate) mod event;
pub(crate) mod follow;
pub(crate) mod lines;
pub(crate) mod read;
pub(crate) mod sink;
pub(crate) mod tensorboard;
