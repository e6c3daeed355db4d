//! What the operations share on NVIDIA GPUs; nothing here knows an operation.
//!
//! Each device has one stream, in which all its work is queued in order, and one
//! [`context::CudaContext`] with the libraries' handles, their workspace and the algorithms chosen
//! so far. The host waits for the device only to measure algorithms, once per shape. Between GPUs,
//! streams wait for each other (`collective/peer.rs`).

#[cfg(feature = "cuda")]
pub(crate) mod context;
#[cfg(feature = "cuda")]
pub(crate) mod cublaslt;
#[cfg(feature = "cuda")]
pub(crate) mod driver;
#[cfg(feature = "cuda")]
pub(crate) mod gpu;
#[cfg(feature = "cuda")]
pub(crate) mod info;
pub(crate) mod launch;
#[cfg(feature = "cuda")]
pub(crate) mod profiler;
