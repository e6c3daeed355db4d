//! What the operations share on the CPU; nothing here knows an operation.

pub(crate) mod elementwise;
pub(crate) mod gemm;
pub(crate) mod microkernel;
pub(crate) mod pool;
pub(crate) mod scratch;
pub(crate) mod simd;
