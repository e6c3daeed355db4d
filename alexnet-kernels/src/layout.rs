//! NHWC in memory, NCHW to the caller: the only place that permutes tensors.
//!
//! Inside an operation, tensors of rank 4 are `(B, H, W, C)`, row-major. [`nhwc`] makes such a
//! tensor, and copies only if memory is not channels-last already; [`nchw`] makes the view
//! `(B, C, H, W)` that the caller gets back.

use candle_core::{Result, Tensor, bail};

/// The same `(B, C, H, W)` tensor with channels-last (NHWC) memory; no copy if it has that already.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
///
/// let x = Tensor::zeros((2, 3, 4, 5), DType::F32, &Device::Cpu)?;
/// let y = alexnet_kernels::channels_last(&x)?;
/// assert_eq!((y.dims(), y.stride()), (x.dims(), &[60, 1, 15, 3][..]));
/// # Ok::<(), candle_core::Error>(())
/// ```
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

/// For elementwise operations: rank 4 as [`nhwc`], other ranks row-major.
pub(crate) fn in_memory_order(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 4 { nhwc(x) } else { x.contiguous() }
}

/// Undoes [`in_memory_order`].
pub(crate) fn in_logical_order(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 4 { nchw(x) } else { Ok(x.clone()) }
}

/// The elements of `x` in the order of memory: a view with the dimensions sorted from the largest
/// stride to the smallest. An error if there are gaps between the elements.
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
