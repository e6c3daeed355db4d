//! LRN and max-pooling in f64, one after the other.

use super::LrnPool;
use crate::array::Array;
use crate::ops::max_pool::reference::{max_pool, max_pool_gradient};
use crate::ops::response_norm::reference::{lrn, lrn_gradient};

/// `y`, of the given height and width.
pub fn lrn_pool(op: &LrnPool, x: &Array, size: (usize, usize)) -> Array {
    max_pool(&op.pool, &lrn(&op.lrn, x), size)
}

/// The gradient with respect to `x`.
pub fn lrn_pool_gradient(op: &LrnPool, x: &Array, dy: &Array) -> Array {
    lrn_gradient(&op.lrn, x, &max_pool_gradient(&op.pool, &lrn(&op.lrn, x), dy))
}
