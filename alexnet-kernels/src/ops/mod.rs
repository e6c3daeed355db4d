//! The operations, one folder each: formula, f64 reference, fast CPU code, CUDA kernels, gradient.

pub(crate) mod bias;
pub(crate) mod conv2d;
pub(crate) mod cross_entropy;
pub(crate) mod dropout;
pub(crate) mod gradients;
pub(crate) mod input;
pub(crate) mod linear;
pub(crate) mod max_pool;
pub(crate) mod relu;
pub(crate) mod response_norm;
pub(crate) mod sgd;
