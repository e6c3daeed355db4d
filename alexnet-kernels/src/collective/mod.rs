//! What crosses between devices: copies, and the steps of collective operations on channels.
//!
//! A network whose towers are on devices of their own needs three collective operations. Each is
//! [`copy`] between the devices, and a local step before or after it:
//!
//! ```text
//! all-gather      every tower gets the channels of all   copy, join          all_gather.rs
//! reduce-scatter  every tower gets its own channels      scatter, copy, add  reduce_scatter.rs
//!                 of the sum over all towers
//! gather          the first device gets all logits       copy, join          all_gather.rs
//! ```

pub(crate) mod all_gather;
pub(crate) mod copy;
pub(crate) mod interconnect;
#[cfg(feature = "cuda")]
mod peer;
pub(crate) mod reduce_scatter;
