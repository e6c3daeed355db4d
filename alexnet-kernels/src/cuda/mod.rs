//! What the operations share on NVIDIA GPUs; nothing here knows an operation.
//!
//! Each device has one stream, on which everything happens in order, and one [`context::CudaContext`] with
//! the libraries' handles, their workspace and the algorithms chosen so far. Nothing here waits for the
//! device but the measuring of algorithms, once a shape. Between GPUs, streams wait for each other
//! (`collective/peer.rs`).

#[cfg(feature = "cuda")]
pub(crate) mod context;
#[cfg(feature = "cuda")]
pub(crate) mod cublaslt;
#[cfg(feature = "cuda")]
pub(crate) mod cudnn;
#[cfg(feature = "cuda")]
pub(crate) mod driver;
#[cfg(feature = "cuda")]
pub(crate) mod gpu;
#[cfg(feature = "cuda")]
pub(crate) mod info;
pub(crate) mod launch;
