//! The operations, one folder each: formula, f64 reference, CPU code, launches, CUDA kernels,
//! gradients.

pub(crate) mod activation;
pub(crate) mod avg_pool;
pub(crate) mod bias;
pub(crate) mod conv2d;
pub(crate) mod cross_entropy;
pub(crate) mod dropout;
pub(crate) mod fusion;
pub(crate) mod input;
pub(crate) mod linear;
pub(crate) mod local2d;
pub(crate) mod lrn_pool;
pub(crate) mod max_pool;
mod pooling;
pub(crate) mod regroup;
pub(crate) mod response_norm;
pub(crate) mod sgd;
pub(crate) mod space_to_depth;
