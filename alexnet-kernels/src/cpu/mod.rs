//! What the operations share on the processor; nothing here knows an operation.

pub(crate) mod elementwise;
pub(crate) mod gemm;
pub(crate) mod microkernel;
pub(crate) mod pool;
pub(crate) mod simd;
