//! The state of a parameter of n values, `(2, n)` f32: row 0 its values in the order of memory,
//! row 1 their velocity.

use candle_core::{Result, Tensor};

/// The values of a dense or channels-last tensor in the order of memory, `(n)`, without a copy.
pub(crate) fn memory_order(t: &Tensor) -> Result<Tensor> {
    match t.rank() {
        // (O, I, kH, kW) to (O, kH, kW, I)
        4 => t.permute((0, 2, 3, 1))?.contiguous()?.flatten_all(),
        _ => t.contiguous()?.flatten_all(),
    }
}

/// Row `index` of a `(2, n)` state as a parameter of shape `dims`, a view.
pub(crate) fn row(state: &Tensor, index: usize, dims: &[usize]) -> Result<Tensor> {
    as_parameter(&state.narrow(0, index, 1)?, dims)
}

/// Values in the order of memory as a parameter of shape `dims`, a view.
pub(crate) fn as_parameter(flat: &Tensor, dims: &[usize]) -> Result<Tensor> {
    match *dims {
        [o, i, h, w] => flat.reshape((o, h, w, i))?.permute((0, 3, 1, 2)),
        _ => flat.reshape(dims),
    }
}
