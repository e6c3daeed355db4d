//! NHWC in memory, NCHW to the caller: the only place that permutes tensors.
//!
//! An operation sees rank-4 tensors as `(B, H, W, C)`, row-major: [`nhwc`] brings any tensor there and
//! [`nchw`] gives the caller the usual order of dimensions back, without moving a float.

use candle_core::{Result, Tensor, bail};

/// The same logical `(B, C, H, W)` tensor with channels-last memory; no copy if it has it already.
///
/// # Errors
///
/// Rank other than 4.
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    nchw(&nhwc(x)?)
}

/// `(B, C, H, W)` of any strides to `(B, H, W, C)`, row-major.
pub(crate) fn nhwc(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

/// `(B, H, W, C)` to a `(B, C, H, W)` view.
pub(crate) fn nchw(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))
}

/// For operations to which shape means nothing: rank 4 as [`nhwc`], other ranks row-major.
pub(crate) fn in_memory_order(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 4 { nhwc(x) } else { x.contiguous() }
}

/// Undoes [`in_memory_order`].
pub(crate) fn in_logical_order(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 4 { nchw(x) } else { Ok(x.clone()) }
}

/// The elements of `x` as they lie in memory, as a row-major tensor of its dimensions from the largest
/// stride to the smallest. No copy; an error if there are gaps between them.
pub(crate) fn as_in_memory(x: &Tensor) -> Result<Tensor> {
    let mut order: Vec<usize> = (0..x.rank()).collect();
    order.sort_by_key(|&dim| std::cmp::Reverse(x.stride()[dim]));
    let sorted = x.permute(order)?;
    if !sorted.is_contiguous() {
        let (shape, strides) = (x.dims(), x.stride());
        bail!("sgd: the gradient's memory has gaps: shape {shape:?}, strides {strides:?}")
    }
    Ok(sorted)
}
