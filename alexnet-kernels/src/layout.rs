//! Tensors in, dense f32 storages out: the checks and the plumbing all operations here share.
//!
//! An operation sees rank-4 tensors as `(B, H, W, C)`, row-major: [`nhwc`] brings any tensor there
//! and [`nchw`] gives the caller the usual order of dimensions back, without moving a float.

use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Tensor, WithDType, bail};

use crate::cpu::pool::unwritten;

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

/// Whether activations may be stored so on a device: f32, and on a card bf16.
pub(crate) fn is_stored(dtype: DType, device: &Device) -> bool {
    dtype == DType::F32 || dtype == DType::BF16 && device.is_cuda()
}

/// Refuses tensors that are not f32 (on a card bf16 will do) or have no elements.
pub(crate) fn check_values(op: &str, what: &str, x: &Tensor) -> Result<()> {
    if !is_stored(x.dtype(), x.device()) {
        bail!("{op}: {what} must be f32, got {:?}", x.dtype())
    }
    if x.elem_count() == 0 {
        bail!("{op}: {what} is empty, its shape is {:?}", x.dims())
    }
    Ok(())
}

/// The four dimensions of an f32 tensor with elements.
pub(crate) fn dims4(op: &str, what: &str, x: &Tensor) -> Result<(usize, usize, usize, usize)> {
    check_values(op, what, x)?;
    let &[a, b, c, d] = x.dims() else {
        bail!("{op}: {what} must have 4 dimensions, got shape {:?}", x.dims())
    };
    Ok((a, b, c, d))
}

/// The two dimensions of an f32 tensor with elements.
pub(crate) fn dims2(op: &str, what: &str, x: &Tensor) -> Result<(usize, usize)> {
    check_values(op, what, x)?;
    let &[a, b] = x.dims() else {
        bail!("{op}: {what} must have 2 dimensions, got shape {:?}", x.dims())
    };
    Ok((a, b))
}

/// Refuses an f32 tensor of another shape than `expected`.
pub(crate) fn check_shape(op: &str, what: &str, x: &Tensor, expected: &[usize]) -> Result<()> {
    check_values(op, what, x)?;
    if x.dims() != expected {
        bail!("{op}: {what} must have shape {expected:?}, got {:?}", x.dims())
    }
    Ok(())
}

/// The elements `layout` covers; an error for other dtypes and for strided layouts.
pub(crate) fn values<'a, T: WithDType>(
    op: &'static str,
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<&'a [T]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        return Err(candle_core::Error::RequiresContiguous { op }.bt());
    };
    Ok(&storage.as_slice::<T>()?[start..end])
}

/// A new f32 storage of `shape`, written by `kernel`.
///
/// The memory is not cleared first: `kernel` writes every element before it reads any.
pub(crate) fn produce(
    shape: impl Into<Shape>,
    kernel: impl FnOnce(&mut [f32]) -> Result<()>,
) -> Result<(CpuStorage, Shape)> {
    let shape = shape.into();
    // SAFETY: the obligation to write before reading is passed to `kernel`, see above, and what a
    // kernel that fails has left is given to nobody.
    let mut values = unsafe { unwritten(shape.elem_count())? };
    kernel(&mut values)?;
    Ok((CpuStorage::F32(values), shape))
}
